"""The network that learns to live with few bits, and its way into whole numbers.

AdaDFQ's quantiser: k bits, asymmetric, weights an output channel, activations a tensor,

    s = (2^k - 1) / max(hi - lo, 1e-8), zp = round(s lo) + 2^(k-1),
    q = clip(round(s v - zp), -2^(k-1), 2^(k-1) - 1), v' = (q + zp) / s,

and the gradient of v' to v is 1, outside the range too. Here lo is at most and hi at
least 0, so that zp is a code and fits ONNX's zero point; after ReLU lo is 0.

The reference code divides an average of ranges that is already corrected by 1 - 0.9^t
once more, so that its first ranges are several times too large; here it is done once.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.nets.residual import through
from tasks.nets.resnet import EPSILON, FloatSteps, NormedConv, ResNet
from tasks.nets.resnet_coded import (
    GRID,
    LIMIT,
    Coded,
    CodedResNet,
    fitting_scale,
    on_grid,
)

KEEP = 0.9  # of an average of ranges, a batch


@dataclass(frozen=True)
class Quantised:
    """What some values became.

    Attributes:
        codes: q, of the values' shape.
        zero: zp, that broadcasts against it.
        steps: s, steps a unit, likewise.
    """

    codes: Tensor
    zero: Tensor
    steps: Tensor

    @property
    def values(self) -> Tensor:
        """(q + zp) / s."""
        return (self.codes + self.zero) / self.steps


def quantise(v: Tensor, low: Tensor, high: Tensor, bits: int) -> Quantised:
    """The quantiser above.

    Args:
        v: Values.
        low: Lower end of the range, at most 0; broadcasts against them.
        high: Upper end, at least 0.
        bits: k.
    """
    half = 2 ** (bits - 1)
    steps = (2**bits - 1) / (high - low).clamp(min=1e-8)
    zero = (steps * low).round() + half
    codes = (steps * v - zero).round().clamp(-half, half - 1)
    return Quantised(codes, zero, steps)


def quantised_weight(weight: Tensor, bits: int) -> Quantised:
    """Of weights (N, ...), each output channel's by its own least and largest."""
    axes = tuple(range(1, weight.dim()))
    low = weight.amin(axes, keepdim=True).clamp(max=0)
    high = weight.amax(axes, keepdim=True).clamp(min=0)
    return quantise(weight, low, high, bits)


def straight(v: Tensor, made: Quantised) -> Tensor:
    """The quantised values, with the gradient of the values themselves."""
    return v + (made.values - v).detach()


class Average:
    """Running average of the largest value of a batch, corrected for its start."""

    def __init__(self) -> None:
        self.sum, self.weight, self.largest = 0.0, 0.0, 0.0

    def see(self, largest: float) -> None:
        """One batch more: share 0.1 of it, 0.9 of those before."""
        self.sum = KEEP * self.sum + (1 - KEEP) * largest
        self.weight = KEEP * self.weight + (1 - KEEP)

    def cover(self, largest: float) -> None:
        """Instead of an average: the largest of all."""
        self.largest = max(self.largest, largest)

    @property
    def value(self) -> float:
        """Of what was seen, positive."""
        return max(self.largest or self.sum / max(self.weight, 1e-30), 1e-6)


class Student(FloatSteps):
    """Q: a copy of one seed's network whose steps are those of k bits.

    Args:
        teacher: P, a stack of one.
        bits: k.

    Attributes:
        policy: The copy, whose weights, gains and shifts are trained.
        ranges: Of activations, by their names.
        settled: Ranges are frozen.
    """

    policy: ResNet

    def __init__(self, teacher: ResNet, bits: int) -> None:
        super().__init__(copy.deepcopy(teacher), learn=False)
        self.policy.requires_grad_(requires_grad=True)
        self.bits, self.settled, self.averaging = bits, False, True
        self.ranges: dict[str, Average] = {}

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return list(self.policy.units.parameters())

    def logits(self, picture: Tensor) -> Tensor:
        """Normalised pictures (B, C, Y, X) -> (B, A)."""
        return through(len(self.policy.widths), picture[None], self)[0]

    def unit(self, name: str, x: Tensor) -> Tensor:
        """The layer with quantised weights; norms and biases stay float."""
        layer = self.policy.units[name]
        if isinstance(layer, NormedConv):
            weight = layer.weight[0]
            small = straight(weight, quantised_weight(weight, self.bits))
            return layer.normed(layer.convolved(x, small[None]))
        weight = layer.weight[0].T  # (A, I)
        small = straight(weight, quantised_weight(weight, self.bits))
        return (x[0] @ small.T + layer.bias[0])[None]

    def active(self, name: str, x: Tensor) -> Tensor:
        """ReLU and the quantiser."""
        x = torch.relu(x)
        seen = self.ranges.setdefault(name, Average())
        if not self.settled:
            largest = float(x.detach().max())
            seen.see(largest) if self.averaging else seen.cover(largest)
        low, high = torch.zeros(()), torch.tensor(seen.value)
        return straight(x, quantise(x, low, high, self.bits))

    def coded(self) -> CodedResNet:
        """The same in whole numbers, a stack of one."""
        net, k = self.policy, self.bits
        made = CodedResNet(
            k,
            1,
            net.image,
            net.widths,
            net.action_width,
            net.observation_mean,
            net.observation_std,
        )
        step = {n: seen.value / (2**k - 1) for n, seen in self.ranges.items()}
        reads, writes = wiring(len(net.widths))
        top = dict.fromkeys(reads, 2**k - 1)
        step["picture"], step["logits"] = 1 / GRID, 1.0
        top["stem"] = GRID * LIMIT
        with torch.no_grad():
            for name, layer in net.units.items():
                into, out = step[reads[name]], step[writes[name]]
                write(layer, made.units[name], into, out, top[name])
            past = torch.tensor([step["stem"] / step["block0"]])
            made.past.value.copy_(fitting_scale(past, torch.tensor([2.0**k])))
        return made


def wiring(blocks: int) -> tuple[dict[str, str], dict[str, str]]:
    """Which activation each unit reads, and which one its output goes into."""
    reads, writes, x = {"stem": "picture"}, {"stem": "stem"}, "stem"
    for i in range(blocks):
        at = f"block{i}"
        reads[f"{at}_first"], writes[f"{at}_first"] = x, f"{at}_first"
        reads[f"{at}_second"], writes[f"{at}_second"] = f"{at}_first", at
        if i:
            reads[f"{at}_shortcut"], writes[f"{at}_shortcut"] = x, at
        x = at
    reads["head"], writes["head"] = x, "logits"
    return reads, writes


def write(
    layer: nn.Module, coded: Coded, into: float, out: float, largest: float
) -> None:
    """Fold a layer of one seed, its norm included, into whole numbers.

    A negative gain turns the sign of its channel's weights: codes q and zero point z
    become -1 - q and -1 - z, which are codes again.

    Args:
        layer: NormedConv or Linear.
        coded: What is written.
        into: Units a code of its input.
        out: Units a code of its output.
        largest: Code of its input.
    """
    if isinstance(layer, NormedConv):
        gain = layer.gain[0] / (layer.variance[0] + EPSILON).sqrt()
        shift = layer.shift[0] - layer.mean[0] * gain
        weight = layer.weight[0]
    else:
        weight = layer.get_parameter("weight")[0].T
        shift = layer.get_parameter("bias")[0, 0]
        gain = torch.ones_like(shift)
    made = quantised_weight(weight, coded.bits)
    flat = made.codes.flatten(1), made.zero.flatten(1)  # (N, I), (N, 1)
    turned = (gain < 0)[:, None]
    codes = torch.where(turned, -1 - flat[0], flat[0])
    zero = torch.where(turned, flat[1] - 1, -flat[1])
    scale = gain.abs() * into / (made.steps.flatten() * out)
    reach = largest * (codes - zero).abs().sum(1)
    coded.codes = codes.view(1, *coded.shape)
    coded.zero.copy_(zero.T)
    coded.scale.copy_(fitting_scale(scale, reach)[None])
    coded.bias.copy_(on_grid(shift / out)[None])
