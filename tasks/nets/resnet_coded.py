"""The residual network in whole numbers: weights and activations of 2 to 8 bits.

An activation is its code, a whole number 0..2^bits - 1: what its step would be stands
in the scales of the layers before and after. So a unit is

    y = sum (codes - zero) x * scale + bias,    code = clip(round(y), 0, 2^bits - 1)

with a scale and a zero point an output channel. The picture, which is not quantised,
goes in as multiples of 1/64 of a pixel's deviation, up to 8 deviations. Scales have as
few significant bits as keep each sum of products exact in float32, at least 6 (with 7
and 8 bits of weights exact as a rule, and then coarse), and biases lie on a grid, so
that neither the order of a sum nor a fused kernel can move a number to the other side
of a rounding border: torch and onnxruntime agree in every code.

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

from tasks.nets.graph import Graph
from tasks.nets.quantised import pack, unpack
from tasks.nets.residual import GraphSteps, Residual, Steps, TorchSteps, plan, through

GRID, LIMIT = 64, 8  # codes a deviation of the picture, largest deviation
EXACT = 24  # bits of float32's whole numbers
FINEST = 2.0**-14  # of scales' last bits and of biases, in codes of the output


class Coded(nn.Module):
    """A stack of convolutions, or of fully connected layers, with integer weights.

    Args:
        stack: Leading axis S (seeds).
        channels: C of the input.
        outputs: Channels of the output, N.
        kernel: Its side, odd; 0: fully connected.
        stride: Of both axes.
        bits: Of a weight, 2 to 8.

    Attributes:
        packed: Codes of (N, C, kernel, kernel) in a row, -2^(bits-1)..2^(bits-1) - 1;
            up to 4 bits (S, ceil(n / 2)) uint8, the first of two in the low nibble, as
            ONNX packs INT4; above (S, n) int8.
        zero: (S, N), int8, the code of weight 0.
        scale: (S, N), float32, not negative.
        bias: (S, N), float32.
    """

    def __init__(
        self,
        stack: int,
        channels: int,
        outputs: int,
        kernel: int,
        stride: int,
        bits: int,
    ) -> None:
        super().__init__()
        if not 2 <= bits <= 8:
            raise ValueError(f"{bits} bits: known are 2 to 8")
        self.stack, self.channels, self.outputs = stack, channels, outputs
        self.kernel, self.stride, self.bits = kernel, stride, bits
        self.bits_stored = 4 if bits <= 4 else 8
        self.inputs = channels * max(1, kernel) ** 2
        self.packed: Tensor
        self.zero: Tensor
        self.scale: Tensor
        self.bias: Tensor
        count = self.inputs * outputs
        empty = (
            torch.zeros(stack, -(-count // 2), dtype=torch.uint8)
            if self.bits_stored == 4
            else torch.zeros(stack, count, dtype=torch.int8)
        )
        self.register_buffer("packed", empty)
        self.register_buffer("zero", torch.zeros(stack, outputs, dtype=torch.int8))
        self.register_buffer("scale", torch.zeros(stack, outputs))
        self.register_buffer("bias", torch.zeros(stack, outputs))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights of one seed."""
        side = [self.kernel] * 2 if self.kernel else []
        return (self.outputs, self.channels, *side)

    @property
    def codes(self) -> Tensor:
        """Unpacked, (S, *shape), int8."""
        flat = unpack(self.packed) if self.bits_stored == 4 else self.packed
        return flat[:, : self.inputs * self.outputs].view(self.stack, *self.shape)

    @codes.setter
    def codes(self, codes: Tensor) -> None:
        flat = codes.reshape(self.stack, -1).to(torch.int8)
        self.packed.copy_(pack(flat) if self.bits_stored == 4 else flat)

    @property
    def weight(self) -> Tensor:
        """What the codes stand for, of the shape of :attr:`codes`, float32."""
        lead = (self.stack, self.outputs, *[1] * (len(self.shape) - 1))
        return (self.codes - self.zero.view(lead).float()) * self.scale.view(lead)

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, C, Y, X) -> (S, B, N, Y', X'), or (S, B, C) -> (S, B, N)."""
        weight, parts = self.weight, []
        for k in range(len(x)):
            if self.kernel:
                side = self.kernel // 2
                y = nn.functional.conv2d(
                    x[k], weight[k], stride=self.stride, padding=side
                )
                parts.append(y + self.bias[k, :, None, None])
            else:
                parts.append(nn.functional.linear(x[k], weight[k], self.bias[k]))
        return torch.stack(parts)

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k`` as DequantizeLinear and Conv or Gemm."""
        kind = f"INT{self.bits_stored}"
        weight = graph.add(
            "DequantizeLinear",
            graph.constant(f"{name}.weight_codes", self.codes[k], kind),
            graph.constant(f"{name}.weight_scale", self.scale[k]),
            graph.constant(f"{name}.weight_zero", self.zero[k], kind),
            name=f"{name}.weight",
            axis=0,
        )
        bias = graph.constant(f"{name}.bias", self.bias[k])
        if not self.kernel:
            return graph.add("Gemm", x, weight, bias, name=f"{name}.out", transB=1)
        return graph.add(
            "Conv",
            *(x, weight, bias),
            name=f"{name}.out",
            strides=[self.stride] * 2,
            pads=[self.kernel // 2] * 4,
        )


class Ratio(nn.Module):
    """How many codes of a block's output one of its input is: ``value`` (S,)."""

    def __init__(self, stack: int) -> None:
        super().__init__()
        self.value: Tensor
        self.register_buffer("value", torch.ones(stack))


class CodedResNet(Residual):
    """See the module and :class:`tasks.nets.residual.Residual`.

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
        """See :meth:`Residual.logits`."""
        x = (picture * GRID).round().clamp(-GRID * LIMIT, GRID * LIMIT)
        return through(len(self.widths), x, CodedSteps(self))

    def graph_steps(self, graph: Graph, k: int) -> Steps[str]:
        """See :meth:`Residual.graph_steps`."""
        return CodedGraphSteps(self, graph, k)

    def spec(self) -> dict[str, Any]:
        """See :meth:`Policy.spec`."""
        return {**super().spec(), "bits": self.bits}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "CodedResNet":
        """See :meth:`Policy.from_spec`."""
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


def fitting_scale(scale: Tensor, largest: Tensor) -> Tensor:
    """Scales rounded so that sums of whole numbers times them are exact in float32.

    Args:
        scale: (N,), not negative.
        largest: (N,), that a sum of whole numbers can reach.

    Returns:
        (N,): nearest with as many significant bits as are left of 24, from 6 to 12, and
        none finer than 2^-14.
    """
    bits = EXACT - torch.ceil(torch.log2(largest.clamp(min=1) + 1))
    _, exponent = torch.frexp(scale)  # scale = mantissa 2^exponent, mantissa in [.5, 1)
    step = torch.exp2(exponent - bits.clamp(6, 12)).clamp(min=FINEST)
    return (scale / step).round() * step


def on_grid(bias: Tensor) -> Tensor:
    """Biases rounded to multiples of 2^-14."""
    return (bias / FINEST).round() * FINEST
