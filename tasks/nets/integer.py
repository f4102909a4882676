"""A layer of integer weights and inputs whose scales were found by calibration.

| bits of weights | stored as |
|---|---|
| 2 to 4 | UINT4, two a byte |
| 5 to 8 | UINT8 |

Inputs are rounded to 2 to 8 bits, in UINT8; the product is that of ``MatMulInteger``,
unsigned on both sides, as kernels for signed numbers saturate from 7 bits on where a
CPU has AVX2 without VNNI. A policy of such layers computes its whole step in float64,
so that torch and onnxruntime find the same codes.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.graph import DOUBLE, UINT8, Graph
from tasks.nets.packing import empty, pack, stored_bits, unpack


class _Rounded(torch.autograd.Function):
    """The nearest whole number, with the gradient of no rounding.

    Samplers that search by gradient need one; nothing else does.
    """

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        """Round a tensor of any shape."""
        return x.round()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """Pass the gradient as it came."""
        return gradient


class IntegerLinear(nn.Module):
    """Static scales: one a tensor of inputs, one an output unit.

    Inputs that are several tensors side by side are several parts p, each rounded in
    steps of its own:

        q_p = clip(round(x_p / step_p) + zero_p, 0, 2^activation_bits - 1)
        output = sum_p (q_p - zero_p) @ (codes_p - centre) * scale_p + bias

    Args:
        stack: Leading axis S (seeds).
        inputs: Input width I.
        outputs: Output width N.
        bits: Of a weight, 2 to 8.
        activation_bits: Of an input, 2 to 8.
        parts: Widths of the P parts, which add up to I; empty: one part.

    Attributes:
        packed: Codes of (I, N) row by row, 0..2^bits - 1; up to 4 bits
            (S, ceil(I N / 2)) uint8, the first of two in the low nibble; above
            (S, I N) uint8.
        centre: (S, N), uint8, the code of weight 0.
        step: (S, P), float32, positive.
        zero: (S, P), uint8, the code of input 0.
        scale: (S, P, N), float32, positive: a weight's step times the part's.
        bias: (S, N), float32.
        integer_kernel: onnxruntime computes it with whole numbers.
    """

    integer_kernel = True

    def __init__(
        self,
        stack: int,
        inputs: int,
        outputs: int,
        bits: int,
        activation_bits: int,
        parts: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if not (2 <= bits <= 8 and 2 <= activation_bits <= 8):
            raise ValueError(f"{bits} and {activation_bits} bits: known are 2 to 8")
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.bits, self.activation_bits = bits, activation_bits
        self.bits_stored = stored_bits(bits)
        self.parts = list(parts) or [inputs]
        if sum(self.parts) != inputs:
            raise ValueError(f"parts {self.parts} of {inputs} inputs")
        self.packed: Tensor
        self.centre: Tensor
        self.step: Tensor
        self.zero: Tensor
        self.scale: Tensor
        self.bias: Tensor
        byte, wide = torch.uint8, (stack, len(self.parts))
        packed = empty(stack, inputs * outputs, self.bits_stored, signed=False)
        self.register_buffer("packed", packed)
        self.register_buffer("centre", torch.zeros(stack, outputs, dtype=byte))
        self.register_buffer("step", torch.ones(wide))
        self.register_buffer("zero", torch.zeros(wide, dtype=byte))
        self.register_buffer("scale", torch.ones(*wide, outputs))
        self.register_buffer("bias", torch.zeros(stack, outputs))

    @property
    def codes(self) -> Tensor:
        """Unpacked, (S, I, N) uint8."""
        flat = unpack(self.packed, self.bits_stored)
        count = self.inputs * self.outputs
        return flat[:, :count].view(self.stack, self.inputs, self.outputs)

    @codes.setter
    def codes(self, codes: Tensor) -> None:
        flat = codes.reshape(self.stack, -1)
        self.packed.copy_(pack(flat, self.bits_stored))

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N), computed in the type of x."""
        codes, centre = self.codes.to(x.dtype), self.centre[:, None].to(x.dtype)
        weights = torch.split(codes - centre, self.parts, 1)
        total = self.bias[:, None].to(x.dtype)
        top = 2**self.activation_bits - 1
        for p, part in enumerate(torch.split(x, self.parts, -1)):
            step = self.step[:, p, None, None].to(x.dtype)
            zero = self.zero[:, p, None, None].to(x.dtype)
            near: Tensor = _Rounded.apply(part / step)  # type: ignore[no-untyped-call]
            q = (near + zero).clamp(0, top) - zero
            scale = self.scale[:, p, None].to(x.dtype)
            total = total + torch.bmm(q, weights[p]) * scale  # product: exact
        return total

    def spec(self) -> dict[str, int | str | list[int]]:
        """Class and arguments, for policy.json."""
        spec: dict[str, int | str | list[int]] = {
            "class": "tasks.nets.integer.IntegerLinear",
            "inputs": self.inputs,
            "outputs": self.outputs,
            "bits": self.bits,
            "activation_bits": self.activation_bits,
        }
        return spec | ({"parts": self.parts} if self.parts[1:] else {})

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k``: rounding, a MatMulInteger a part, scales.

        Raises:
            ValueError: If the graph computes in float32.
        """
        if not self.parts[1:]:
            return self.emit_parts(graph, [x], k, name)
        ends = [0, *accumulate(self.parts)]
        axis, *cuts = (
            graph.shared(f"part_{which}", torch.tensor([number]))
            for which, number in (("axis", 1), *((f"at{end}", end) for end in ends))
        )
        parts = [
            graph.add("Slice", x, *cut, axis, name=f"{name}.x{p}")
            for p, cut in enumerate(pairwise(cuts))
        ]
        return self.emit_parts(graph, parts, k, name)

    def emit_parts(self, graph: Graph, parts: Sequence[str], k: int, name: str) -> str:
        """Add slice ``k`` for parts apart, (B, width) each or (1, width) for all rows.

        The first is added last: what others give may be the same in several calls, or
        known when the file is opened.

        Raises:
            ValueError: If the graph computes in float32.
        """
        if not graph.double:
            raise ValueError(f"{name}: rounding in float32 is not the same everywhere")
        total = graph.constant(f"{name}.bias", self.bias[k])
        for p in [*range(1, len(parts)), 0]:
            own = f"{name}.part{p}" if parts[1:] else name
            codes = self._emit_codes(graph, parts[p], k, p, own)
            product = self._emit_product(graph, codes, k, p, own)
            scale = graph.constant(f"{own}.scale", self.scale[k, p])
            product = graph.add("Mul", product, scale, name=f"{own}.scaled")
            out = f"{own}.added" if p else f"{name}.out"
            total = graph.add("Add", total, product, name=out)
        return total

    def _emit_codes(self, graph: Graph, x: str, k: int, p: int, name: str) -> str:
        """One part's q, UINT8."""
        numbers = {
            "step": float(self.step[k, p]),
            "zero": float(self.zero[k, p]),
            "low": 0.0,
            "high": 2.0**self.activation_bits - 1,
        }
        step, zero, low, high = (
            graph.scalar(f"{name}.{which}", number) for which, number in numbers.items()
        )
        x = graph.add("Div", x, step, name=f"{name}.z")
        x = graph.add("Round", x, name=f"{name}.q")
        x = graph.add("Add", x, zero, name=f"{name}.up")
        x = graph.add("Clip", x, low, high, name=f"{name}.clip")
        return graph.add("Cast", x, name=f"{name}.codes", to=UINT8)

    def _emit_product(self, graph: Graph, x: str, k: int, p: int, name: str) -> str:
        """(q - zero) @ (codes - centre) of one part, as float64."""
        codes = torch.split(self.codes[k], self.parts)[p]
        kind = "UINT4" if self.bits_stored == 4 else None
        weight = graph.constant(f"{name}.weight", codes, kind)
        if kind:
            weight = graph.add("Cast", weight, name=f"{name}.bytes", to=UINT8)
        centre = self.centre[k]
        if bool((centre == centre[0]).all()):
            centre = centre[0]  # a kernel for one number is faster
        zeros = (
            graph.constant(f"{name}.input_zero", self.zero[k, p]),
            graph.constant(f"{name}.weight_zero", centre),
        )
        total = graph.add("MatMulInteger", x, weight, *zeros, name=f"{name}.sum")
        return graph.add("Cast", total, name=f"{name}.total", to=DOUBLE)
