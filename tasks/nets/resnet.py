"""ResNet: residual blocks of convolutions with batch normalisation, as a policy.

He et al. 2016 (arXiv 1512.03385), basic blocks, one a width; with widths 16, 32, 64
it has eight layers on the longest way and 77 k weights. Batch normalisation: Ioffe &
Szegedy 2015 (arXiv 1502.03167); running averages of mean and variance take the place
of the batch's own, but while it learns.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.layers import Linear
from tasks.nets.resnet_base import (
    GraphSteps,
    Residual,
    Steps,
    TorchSteps,
    plan,
    through,
)

EPSILON, MOMENTUM = 1e-5, 0.1  # of batch normalisation, torch's


class NormedConv(nn.Module):
    """A stack of convolutions without bias, each with its batch normalisation.

    Args:
        stack: Leading axis S (seeds).
        channels: C of the input.
        outputs: Channels of the output, N.
        kernel: Its side, odd; the picture's border is padded with zeros.
        stride: Of both axes.

    Attributes:
        weight: (S, N, C, kernel, kernel), float32.
        gain: (S, N), gamma.
        shift: (S, N), beta.
        mean: (S, N), running mean of the convolution's output.
        variance: (S, N), its running variance.
    """

    def __init__(
        self, stack: int, channels: int, outputs: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        self.stack, self.channels, self.outputs = stack, channels, outputs
        self.kernel, self.stride = kernel, stride
        self.inputs = channels * kernel * kernel  # numbers that enter one output
        self.weight = nn.Parameter(
            torch.zeros(stack, outputs, channels, kernel, kernel)
        )
        self.gain = nn.Parameter(torch.ones(stack, outputs))
        self.shift = nn.Parameter(torch.zeros(stack, outputs))
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", torch.zeros(stack, outputs))
        self.register_buffer("variance", torch.ones(stack, outputs))

    def initialise(self, generators: Sequence[torch.Generator]) -> None:
        """Draw N(0, 2 / (N kernel^2)), a slice each: He et al. 2015, by outputs."""
        deviation = math.sqrt(2 / (self.outputs * self.kernel**2))
        with torch.no_grad():
            for part, draw in zip(self.weight, generators, strict=True):
                part.normal_(0, deviation, generator=draw)

    def convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolution alone, by these weights: (S, B, C, Y, X) -> (S, B, N, Y', X')."""
        parts = [
            nn.functional.conv2d(
                x[k], weight[k], stride=self.stride, padding=self.kernel // 2
            )
            for k in range(len(x))
        ]
        return torch.stack(parts)

    def normed(self, x: Tensor, learn: bool = False) -> Tensor:
        """Batch normalisation alone: (S, B, N, Y, X) -> the same.

        Args:
            x: Output of the convolution.
            learn: Take the batch's own statistics, and let the running ones follow.
        """
        parts = [
            nn.functional.batch_norm(
                x[k],
                self.mean[k],
                self.variance[k],
                self.gain[k],
                self.shift[k],
                learn,
                MOMENTUM,
                EPSILON,
            )
            for k in range(len(x))
        ]
        return torch.stack(parts)

    def forward(self, x: Tensor, learn: bool = False) -> Tensor:
        """Convolution and normalisation: (S, B, C, Y, X) -> (S, B, N, Y', X').

        Args:
            x: Pictures, or what a layer made of them.
            learn: Take the batch's own statistics, and let the running ones follow.
        """
        return self.normed(self.convolved(x, self.weight), learn)

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k`` as one Conv, whose weights hold the normalisation."""
        parts = (self.gain, self.shift, self.mean, self.variance)
        gain, shift, mean, variance = (part[k].double() for part in parts)
        factor = gain / (variance + EPSILON).sqrt()  # (N,)
        weight = self.weight[k].double() * factor[:, None, None, None]
        return graph.add(
            "Conv",
            x,
            graph.constant(f"{name}.weight", weight.float()),
            graph.constant(f"{name}.bias", (shift - mean * factor).float()),
            name=f"{name}.out",
            strides=[self.stride] * 2,
            pads=[self.kernel // 2] * 4,
        )


class ResNet(Residual):
    """A residual network of floats with batch normalisation."""

    def logits(self, picture: Tensor, learn: bool = False) -> Tensor:
        """Normalised pictures (S, B, C, Y, X) -> (S, B, A).

        Args:
            picture: Normalised.
            learn: Normalise by the batch's own statistics; running ones follow.
        """
        return through(len(self.widths), picture, FloatSteps(self, learn))

    def graph_steps(self, graph: Graph, k: int) -> Steps[str]:
        """What adds the steps of seed slice ``k`` to a graph."""
        return GraphSteps(self, graph, k)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "ResNet":
        """A policy of the shape that a spec describes, its tensors still zero."""
        return build(spec["stack"], spec["image"], spec["widths"], spec["action"])


class FloatSteps(TorchSteps):
    """Steps of a network of floats.

    Args:
        policy: Whose layers.
        learn: Normalise by the batch's own statistics; running ones follow.
    """

    def __init__(self, policy: Residual, learn: bool) -> None:
        super().__init__(policy)
        self.learn = learn

    def unit(self, name: str, x: Tensor) -> Tensor:
        """The layer."""
        layer: Callable[..., Tensor] = self.policy.units[name]
        return layer(x) if name == "head" else layer(x, self.learn)


def build(
    stack: int,
    image: Sequence[int],
    widths: Sequence[int],
    actions: int,
    observation_mean: Tensor | None = None,
    observation_std: Tensor | None = None,
) -> ResNet:
    """A network whose weights are zero.

    Args:
        stack: S.
        image: C, Y, X.
        widths: Channels of each block.
        actions: A.
        observation_mean: (C Y X,); zeros if None.
        observation_std: (C Y X,); ones if None.
    """
    units: dict[str, nn.Module] = {
        name: NormedConv(stack, *shape)
        for name, shape in plan(image[0], widths).items()
    }
    units["head"] = Linear(stack, widths[-1], actions)
    width = math.prod(image)
    mean = torch.zeros(width) if observation_mean is None else observation_mean
    std = torch.ones(width) if observation_std is None else observation_std
    return ResNet(image, widths, units, mean, std, actions)
