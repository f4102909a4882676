"""Stacked layers that hold integers, as their ONNX nodes do.

| layer | weights | inputs | ONNX |
|---|---|---|---|
| ``Int8Linear`` | INT8, a scale an output unit | UINT8, one scale | QDQ, Gemm |
| ``BlockLinear`` | INT4 or INT8, a scale a block of inputs | float | DQ, Gemm |
| ``WideLinear`` | INT8, a scale an output unit | float | Gemm of float64 |

All use the standard ONNX domain, without custom operators, and give the same numbers
with and without ``session.disable_quant_qdq=1``. In onnxruntime 1.31.1:

- QDQ around Gemm becomes an integer QGemm only where the weights' DequantizeLinear has
  a zero point, so an all-zero one is written.
- DequantizeLinear before a Gemm that does not transpose becomes MatMulNBits with int8
  activations (error 1e-2 instead of 1e-6). So the codes lie transposed, outputs
  first, and the Gemm has ``transB=1``, which is left as it is.
"""

import torch
from torch import Tensor, nn

from tasks.nets.graph import DOUBLE, Graph
from tasks.nets.packing import empty, pack, unpack_signed


class Int8Linear(nn.Module):
    """8-bit weights and 8-bit inputs (W8A8), static scales.

    Output = ((q - zero) * input_scale) @ (codes * scale) + bias * input_scale * scale,
    with q = clip(round(x / input_scale) + zero, 0, 255). With scales of few significant
    bits every float32 sum in it is exact, so that its order does not matter and integer
    kernels give the very same numbers.

    Args:
        stack: Leading axis S (seeds).
        inputs: Input width I.
        outputs: Output width N.

    Attributes:
        input_scale: (S,), float32, positive.
        input_zero: (S,), uint8.
        codes: (S, I, N), int8.
        scale: (S, N), float32, positive.
        bias: (S, N), int32, in steps of input_scale * scale.
        integer_kernel: onnxruntime may compute it with whole numbers.
    """

    bits_stored = 8
    integer_kernel = True

    def __init__(self, stack: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.input_scale: Tensor
        self.input_zero: Tensor
        self.codes: Tensor
        self.scale: Tensor
        self.bias: Tensor
        byte, word = torch.int8, torch.int32
        self.register_buffer("input_scale", torch.zeros(stack))
        self.register_buffer("input_zero", torch.zeros(stack, dtype=torch.uint8))
        self.register_buffer("codes", torch.zeros(stack, inputs, outputs, dtype=byte))
        self.register_buffer("scale", torch.zeros(stack, outputs))
        self.register_buffer("bias", torch.zeros(stack, outputs, dtype=word))

    @property
    def bits(self) -> int:
        """Bits that its weights really use of those stored."""
        return bits_of(self.codes)

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N)."""
        step = self.input_scale[:, None, None]
        zero = self.input_zero[:, None, None].float()
        q = ((x / step).round() + zero).clamp(0, 255)  # (S, B, I)
        bias = self.bias * (self.input_scale[:, None] * self.scale)  # (S, N)
        weight = self.codes * self.scale[:, None]  # (S, I, N)
        return torch.baddbmm(bias[:, None], (q - zero) * step, weight)

    def spec(self) -> dict[str, int | str]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.quantised.Int8Linear",
            "inputs": self.inputs,
            "outputs": self.outputs,
        }

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k`` as QuantizeLinear, DequantizeLinear, Gemm."""
        step = graph.constant(f"{name}.input_scale", self.input_scale[k])
        zero = graph.constant(f"{name}.input_zero", self.input_zero[k])
        x = graph.add("QuantizeLinear", x, step, zero, name=f"{name}.input_codes")
        x = graph.add("DequantizeLinear", x, step, zero, name=f"{name}.input")
        zeros = torch.zeros(self.outputs, dtype=torch.int8)
        weight = graph.add(
            "DequantizeLinear",
            graph.constant(f"{name}.weight_codes", self.codes[k]),
            graph.constant(f"{name}.weight_scale", self.scale[k]),
            graph.constant(f"{name}.weight_zero", zeros),
            name=f"{name}.weight",
            axis=1,
        )
        bias = graph.add(
            "DequantizeLinear",
            graph.constant(f"{name}.bias_codes", self.bias[k]),
            graph.add("Mul", step, f"{name}.weight_scale", name=f"{name}.bias_scale"),
            name=f"{name}.bias",
            axis=0,
        )
        return graph.add("Gemm", x, weight, bias, name=f"{name}.out")


class WideLinear(nn.Module):
    """8-bit weights and float inputs, summed in float64: for a layer before codes.

    Where the next layer rounds its inputs, float32 sums in another order would now and
    then give a neighbouring code. Sums of float64 agree to 1e-16 of the size.

    Output = x @ (codes * scale) + bias.

    Args:
        stack: Leading axis S (seeds).
        inputs: Input width I.
        outputs: Output width N.

    Attributes:
        codes: (S, I, N), int8.
        scale: (S, N), float32, positive.
        bias: (S, N), float32.
    """

    bits_stored = 8

    def __init__(self, stack: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.codes: Tensor
        self.scale: Tensor
        self.bias: Tensor
        codes = torch.zeros(stack, inputs, outputs, dtype=torch.int8)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", torch.zeros(stack, outputs))
        self.register_buffer("bias", torch.zeros(stack, outputs))

    @property
    def bits(self) -> int:
        """Bits that its weights really use of those stored."""
        return bits_of(self.codes)

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N), float32."""
        weight = self.codes.double() * self.scale[:, None].double()
        bias = self.bias[:, None].double()
        return torch.baddbmm(bias, x.double(), weight).float()

    def spec(self) -> dict[str, int | str]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.quantised.WideLinear",
            "inputs": self.inputs,
            "outputs": self.outputs,
        }

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k`` as a Gemm of float64 between Casts.

        The weights become float64 once, as the file is opened.
        """
        with graph.in_double([x], [f"{name}.out"]):
            codes = graph.constant(f"{name}.weight_codes", self.codes[k])
            wide = graph.add("Cast", codes, name=f"{name}.wide", to=DOUBLE)
            scale = graph.constant(f"{name}.weight_scale", self.scale[k])
            weight = graph.add("Mul", wide, scale, name=f"{name}.weight")
            bias = graph.constant(f"{name}.bias", self.bias[k])
            return graph.add("Gemm", x, weight, bias, name=f"{name}.out")


def bits_of(codes: Tensor) -> int:
    """Bits that signed, symmetric codes need: 7 of -63..63, 8 of -127..127."""
    return max(2, int(codes.abs().max()).bit_length() + 1)


class BlockLinear(nn.Module):
    """4- or 8-bit weights with one scale a block of inputs; inputs stay float.

    Args:
        stack: Leading axis S (seeds).
        inputs: Input width I.
        outputs: Output width N.
        bits: 4 (codes -7..7, stored two a byte) or 8 (codes -127..127).
        block: Inputs that share a scale; a power of two >= 16. The last block of an
            output unit may be shorter.

    Attributes:
        packed: Codes of (N, I) row by row; 4 bits: (S, ceil(N I / 2)) uint8, the first
            of two in the low nibble, as ONNX packs INT4; 8 bits: (S, N I) int8.
        scale: (S, N, ceil(I / block)), float32, positive.
        bias: (S, N), float32.
    """

    def __init__(
        self, stack: int, inputs: int, outputs: int, bits: int, block: int
    ) -> None:
        super().__init__()
        if bits not in (4, 8):
            raise ValueError(f"{bits} bits: known are 4 and 8")
        if block < 16 or block & (block - 1):
            raise ValueError(f"block {block}: must be a power of two >= 16")
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.bits, self.block = bits, block
        self.packed: Tensor
        self.scale: Tensor
        self.bias: Tensor
        packed = empty(stack, inputs * outputs, bits, signed=True)
        self.register_buffer("packed", packed)
        self.register_buffer("scale", torch.zeros(stack, outputs, -(-inputs // block)))
        self.register_buffer("bias", torch.zeros(stack, outputs))

    @property
    def codes(self) -> Tensor:
        """Unpacked, (S, N, I) int8."""
        flat = unpack_signed(self.packed, self.bits)
        count = self.inputs * self.outputs
        return flat[:, :count].view(self.stack, self.outputs, self.inputs)

    @codes.setter
    def codes(self, codes: Tensor) -> None:
        flat = codes.reshape(self.stack, -1).to(torch.int8)
        self.packed.copy_(pack(flat, self.bits))

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N)."""
        scale = self.scale.repeat_interleave(self.block, dim=2)[..., : self.inputs]
        weight = self.codes * scale  # (S, N, I)
        return torch.baddbmm(self.bias[:, None], x, weight.transpose(1, 2))

    def spec(self) -> dict[str, int | str]:
        """Class and arguments, for policy.json."""
        return {
            "class": "tasks.nets.quantised.BlockLinear",
            "inputs": self.inputs,
            "outputs": self.outputs,
            "bits": self.bits,
            "block": self.block,
        }

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k`` as blocked DequantizeLinear and Gemm."""
        weight = graph.add(
            "DequantizeLinear",
            graph.constant(f"{name}.weight_codes", self.codes[k], f"INT{self.bits}"),
            graph.constant(f"{name}.weight_scale", self.scale[k]),
            name=f"{name}.weight",
            axis=1,
            block_size=self.block,
        )
        bias = graph.constant(f"{name}.bias", self.bias[k])
        return graph.add("Gemm", x, weight, bias, name=f"{name}.out", transB=1)
