"""The residual network in whole numbers: weights and activations of 2 to 8 bits.

An activation is its code, a whole number 0..2^bits - 1; layers are those of
``coded.py``. The picture, which is not quantised, goes in as multiples of 1/64 of a
pixel's deviation, up to 8 deviations.

| bits | weights stored | activations stored |
|---|---|---|
| 2 to 4 | INT4, two a byte | UINT4, clipped to 0..2^bits - 1 |
| 5 to 8 | INT8 | UINT8, clipped likewise |

All operators are of the standard domain: DequantizeLinear before each Conv and Gemm,
QuantizeLinear and DequantizeLinear of step 1 after each ReLU.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.nets.coded import Coded
from tasks.nets.graph import Graph
from tasks.nets.resnet_base import (
    GraphSteps,
    Residual,
    Steps,
    TorchSteps,
    plan,
    through,
)

GRID, LIMIT = 64, 8  # codes a deviation of the picture, largest deviation


class Ratio(nn.Module):
    """How many codes of a block's output one of its input is: ``value`` (S,)."""

    def __init__(self, stack: int) -> None:
        super().__init__()
        self.value: Tensor
        self.register_buffer("value", torch.ones(stack))


class CodedResNet(Residual):
    """A residual network whose weights and activations are whole numbers.

    Args:
        bits: Of weights and activations, 2 to 8.
        stack: S.
        image: C, Y, X.
        widths: Channels of each block.
        actions: A.
        observation_mean: (C Y X,), units of the world.
        observation_std: (C Y X,), same units, positive.
    """

    def __init__(
        self,
        bits: int,
        stack: int,
        image: Sequence[int],
        widths: Sequence[int],
        actions: int,
        observation_mean: Tensor,
        observation_std: Tensor,
    ) -> None:
        units: dict[str, nn.Module] = {
            name: Coded(stack, *shape, bits)
            for name, shape in plan(image[0], widths).items()
        }
        units["head"] = Coded(stack, widths[-1], actions, 0, 1, bits)
        super().__init__(
            image, widths, units, observation_mean, observation_std, actions
        )
        self.bits, self.past = bits, Ratio(stack)

    @property
    def top(self) -> int:
        """Largest code of an activation."""
        return int(2**self.bits - 1)

    def logits(self, picture: Tensor) -> Tensor:
        """Normalised pictures (S, B, C, Y, X) -> (S, B, A)."""
        x = (picture * GRID).round().clamp(-GRID * LIMIT, GRID * LIMIT)
        return through(len(self.widths), x, CodedSteps(self))

    def graph_steps(self, graph: Graph, k: int) -> Steps[str]:
        """What adds the steps of seed slice ``k`` to a graph, in codes."""
        return CodedGraphSteps(self, graph, k)

    def spec(self) -> dict[str, Any]:
        """Class and arguments, for policy.json."""
        return {**super().spec(), "bits": self.bits}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "CodedResNet":
        """A policy of the shape that a spec describes, its tensors still zero."""
        width = math.prod(spec["image"])
        return cls(
            spec["bits"],
            spec["stack"],
            spec["image"],
            spec["widths"],
            spec["action"],
            torch.zeros(width),
            torch.ones(width),
        )


class CodedSteps(TorchSteps):
    """Steps of tensors of codes."""

    policy: CodedResNet

    def active(self, name: str, x: Tensor) -> Tensor:
        """The nearest code; ReLU is its lower end."""
        del name
        return x.clamp(0, self.policy.top).round()

    def skip(self, name: str, x: Tensor) -> Tensor:
        """In codes of the block's output."""
        del name
        return x * self.policy.past.value.view(-1, 1, 1, 1, 1)


class CodedGraphSteps(GraphSteps):
    """Steps of a graph whose activations are codes."""

    policy: CodedResNet

    def __init__(self, policy: CodedResNet, graph: Graph, k: int) -> None:
        super().__init__(policy, graph, k)
        self.past = policy.past.value[k]
        self.low = graph.scalar("code_min", 0.0)
        self.high = graph.scalar("code_max", float(policy.top))
        self.kind = "UINT4" if policy.bits <= 4 else "UINT8"

    def unit(self, name: str, x: str) -> str:
        """The layer's own nodes; the first reads the picture as codes."""
        if name == "stem":
            grid = self.graph.scalar("grid", float(GRID))
            x = self.graph.add("Mul", x, grid, name="picture_fine")
            x = self.graph.add("Round", x, name="picture_rounded")
            ends = [
                self.graph.scalar(f"picture_{end}", float(value))
                for end, value in (("min", -GRID * LIMIT), ("max", GRID * LIMIT))
            ]
            x = self.graph.add("Clip", x, *ends, name="picture_codes")
        return super().unit(name, x)

    def active(self, name: str, x: str) -> str:
        """Clip, QuantizeLinear, DequantizeLinear."""
        if self.policy.bits not in (4, 8):  # others saturate by themselves
            x = self.graph.add("Clip", x, self.low, self.high, name=f"{name}.clipped")
        with self.graph.again(name):
            zero = self.graph.constant("code_zero", np.zeros(()), self.kind)
            step = self.graph.constant("code_step", torch.tensor(1.0))
        x = self.graph.add("QuantizeLinear", x, step, zero, name=f"{name}.codes")
        return self.graph.add("DequantizeLinear", x, step, zero, name=f"{name}.active")

    def skip(self, name: str, x: str) -> str:
        """In codes of the block's output."""
        ratio = self.graph.constant(f"{name}.past", self.past)
        return self.graph.add("Mul", x, ratio, name=f"{name}.beside")
