"""A layer of integer weights between activations that are whole numbers themselves.

What an activation's step would be stands in the scales of the layers before and after.
So a layer is, with a scale and a zero point an output channel,

    y = sum (codes - zero) x * scale + bias,    its activation: clip(round(y), 0, top)

Scales have as few significant bits as keep each sum of products exact in float32, at
least 6 (with 7 and 8 bits of weights exact as a rule, and then coarse), and biases lie
on a grid, so that neither the order of a sum nor a fused kernel can move a number to
the other side of a rounding border: torch and onnxruntime agree in every code.
"""

import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.packing import empty, pack, stored_bits, unpack_signed

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
        self.bits_stored = stored_bits(bits)
        self.inputs = channels * max(1, kernel) ** 2
        self.packed: Tensor
        self.zero: Tensor
        self.scale: Tensor
        self.bias: Tensor
        packed = empty(stack, self.inputs * outputs, self.bits_stored, signed=True)
        self.register_buffer("packed", packed)
        self.register_buffer("zero", torch.zeros(stack, outputs, dtype=torch.int8))
        self.register_buffer("scale", torch.zeros(stack, outputs))
        self.register_buffer("bias", torch.zeros(stack, outputs))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one seed's weights: (N, C, kernel, kernel), or (N, C)."""
        side = [self.kernel] * 2 if self.kernel else []
        return (self.outputs, self.channels, *side)

    @property
    def codes(self) -> Tensor:
        """Unpacked, (S, *shape), int8."""
        flat = unpack_signed(self.packed, self.bits_stored)
        return flat[:, : self.inputs * self.outputs].view(self.stack, *self.shape)

    @codes.setter
    def codes(self, codes: Tensor) -> None:
        flat = codes.reshape(self.stack, -1).to(torch.int8)
        self.packed.copy_(pack(flat, self.bits_stored))

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
