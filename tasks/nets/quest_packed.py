"""QuEST's layers as they are stored and exported; ``quest.py`` has trained ones.

| bits | levels n | stored as |
|---|---|---|
| 1 | 2 | UINT8, 8 codes a byte |
| 1.585 | 3 | UINT8, 4 codes a byte |
| 2 | 4 | UINT8, 4 codes a byte |
| 3, 4 | 8, 16 | UINT4, 2 codes a byte |
| 5 to 8 | 32 to 256 | UINT8 |

In onnxruntime products are those of ``MatMulInteger``, of odd whole numbers 2 q - (n-1)
around the zero point 128 of UINT8; 8 bits have q - 127.5, whose halves are added
afterwards. UINT8 on both sides, as kernels for signed numbers saturate from 7 bits on
where a CPU has AVX2 without VNNI. There is no kernel for fewer than 8 bits: such a file
is small, and as fast as one of 8 bits.

All that decides on a code is float64. A code near a border falls to one side or the
other by the last bit, and one other code is another action: with float32, whose sums
differ by 1e-7 with their order, torch and onnxruntime would disagree now and then.
"""

import torch
from torch import Tensor, nn

from tasks.nets.graph import DOUBLE, FLOAT, UINT8, Graph
from tasks.nets.packing import empty, pack, unpack
from tasks.nets.quest import (
    HALF_RANGE,
    SMALLEST,
    TINY,
    Quest,
    check_block,
    hadamard,
    half_range,
    levels,
    padded,
    rotate,
    round_to,
)

ZERO = 128  # of UINT8, stands for 0


def storage(bits: float) -> int:
    """Bits a code takes in the file."""
    return next(s for s in (1, 2, 4, 8) if levels(bits) <= 2**s)


def whole(n: int) -> tuple[int, int]:
    """What a code is in the product: f q + shift, around 128, in units of D / f.

    Returns:
        f and shift.
    """
    return (1, 0) if n > 128 else (2, ZERO - (n - 1))


class QuestLinear(nn.Module):
    """Weights and inputs of few bits, an integer product, float64 scales and sums.

    Args:
        stack: Leading axis S (seeds).
        inputs: Input width I.
        outputs: Output width N.
        bits: Of weights and inputs, a key of ``HALF_RANGE``.
        block: Of the Hadamard matrices, a power of two >= 16, or 1 for none. Inputs
            that do not fill the last block are filled up with zeros, to K.
        bias: Whether it has one.

    Attributes:
        packed: Codes of (K, N) row by row, the first of a byte in its lowest bits:
            (S, K N bits / 8), uint8.
        scale: (S, N), float32; times D of a row of inputs it is what one unit of the
            whole numbers' product is worth.
        bias: (S, N), float32, or nothing.
        integer_kernel: onnxruntime computes it with whole numbers.
    """

    integer_kernel = True

    def __init__(
        self,
        stack: int,
        inputs: int,
        outputs: int,
        bits: float,
        block: int,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_block(block)
        self.stack, self.inputs, self.outputs = stack, inputs, outputs
        self.bits, self.block, self.levels = bits, block, levels(bits)
        self.width = padded(inputs, max(block, SMALLEST))  # K
        self.packed: Tensor
        self.scale: Tensor
        self.bias: Tensor | None
        packed = empty(stack, self.width * outputs, storage(bits), signed=False)
        self.register_buffer("packed", packed)
        self.register_buffer("scale", torch.zeros(stack, outputs))
        self.register_buffer("bias", torch.zeros(stack, outputs) if bias else None)

    @property
    def codes(self) -> Tensor:
        """Unpacked, (S, K, N) uint8."""
        flat = unpack(self.packed, storage(self.bits))
        return flat.view(self.stack, self.width, self.outputs)

    def fill(self, weight: Tensor, bias: Tensor | None) -> None:
        """Round float weights (S, I, N) and take over the bias (S, N)."""
        factor, _ = whole(self.levels)
        y, step = self._rotated(weight.double().transpose(1, 2))  # (S, N, K)
        codes = round_to(y, step, self.levels).to(torch.uint8).transpose(1, 2)
        self.packed.copy_(pack(codes.reshape(self.stack, -1), storage(self.bits)))
        self.scale.copy_(step[..., 0] / (factor**2 * self.block))
        if self.bias is not None and bias is not None:
            self.bias.copy_(bias)

    def _rotated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(..., I) float64 -> y (..., K) and D (..., 1), sqrt(block) times as large."""
        y = rotate(x, hadamard(self.block).to(x))
        y = nn.functional.pad(y, (0, self.width - y.shape[-1]))
        c = half_range(y, self.bits, TINY * self.block**0.5)
        return y, c * (2 / (self.levels - 1))

    def forward(self, x: Tensor) -> Tensor:
        """(S, B, I) -> (S, B, N), of the type of x."""
        # float32 first: float64 then holds sums of them without rounding
        y, step = self._rotated(x.float().double())
        factor, shift = whole(self.levels)
        centre = shift - ZERO + (0.5 if self.levels > 128 else 0)
        ours = round_to(y, step, self.levels) * factor + centre
        theirs = self.codes.double() * factor + centre
        total = torch.bmm(ours, theirs) * step * self.scale[:, None]  # product: exact
        if self.bias is not None:
            total = total + self.bias[:, None]
        return total.to(x.dtype)

    def spec(self) -> dict[str, float | str]:
        """Class and arguments, for policy.json."""
        spec: dict[str, float | str] = {
            "class": "tasks.nets.quest_packed.QuestLinear",
            "inputs": self.inputs,
            "outputs": self.outputs,
            "bits": self.bits,
            "block": self.block,
        }
        return spec if self.bias is not None else spec | {"bias": False}

    def emit(self, graph: Graph, x: str, k: int, name: str) -> str:
        """Add slice ``k``: rotation, rounding, MatMulInteger, scales."""
        out, add = f"{name}.out", graph.add
        if graph.double:  # what follows shall be exact sums of float32
            x = add("Cast", x, name=f"{name}.single", to=FLOAT)
        with graph.in_double([], [out]):
            y, step = self._emit_rotated(graph, x, name)
            y = self._emit_codes(graph, y, step, name)
            w = self._emit_weight(graph, k, name)
            zero = graph.shared("quest_128", torch.tensor(ZERO, dtype=torch.uint8))
            codes = add("Cast", y, name=f"{name}.codes", to=UINT8)
            total = add("MatMulInteger", codes, w, zero, zero, name=f"{name}.sum")
            total = add("Cast", total, name=f"{name}.total", to=DOUBLE)
            if self.levels > 128:
                total = self._emit_halves(graph, total, y, w, name)
            scale = graph.constant(f"{name}.scale", self.scale[k])
            # one after the other: a single product of both scales is fused with
            # MatMulInteger to an operator that takes no float64
            total = add("Mul", total, step, name=f"{name}.scaled")
            if self.bias is None:
                return add("Mul", total, scale, name=out)
            total = add("Mul", total, scale, name=f"{name}.product")
            bias = graph.constant(f"{name}.bias", self.bias[k])
            return add("Add", total, bias, name=out)

    def _emit_rotated(self, graph: Graph, x: str, name: str) -> tuple[str, str]:
        """(B, I) -> y (B, K) and D (B, 1)."""
        add, width, block = graph.add, self.width, self.block
        x = add("Cast", x, name=f"{name}.x", to=DOUBLE)
        if width > self.inputs:
            fill = torch.tensor([0, 0, 0, width - self.inputs])
            pads = graph.shared(f"quest_fill{int(fill[3])}", fill)
            x = add("Pad", x, pads, name=f"{name}.filled")
        if block > 1:  # H of 8 x H of block / 8, each a small product
            inner = block // 8
            cut = torch.tensor([-1, width // block, 8, inner])
            cut_name = graph.shared(f"quest_cut{width}x{block}", cut)
            x = add("Reshape", x, cut_name, name=f"{name}.blocks")
            x = add("MatMul", self._emit_h(graph, 8), x, name=f"{name}.turn")
            x = add("MatMul", x, self._emit_h(graph, inner), name=f"{name}.turn2")
            rows = graph.shared(f"quest_rows{width}", torch.tensor([-1, width]))
            x = add("Reshape", x, rows, name=f"{name}.y")
        axis = graph.shared("quest_axis", torch.tensor([1]))
        step = add("ReduceSumSquare", x, axis, name=f"{name}.sq")
        by = 2 / (self.levels - 1)
        share = (by * HALF_RANGE[self.bits]) ** 2 / width
        share_name = graph.scalar(f"{name}.share", share)
        step = add("Mul", step, share_name, name=f"{name}.mean")
        step = add("Sqrt", step, name=f"{name}.root")
        tiny = graph.scalar(f"{name}.tiny", TINY * by * block**0.5)
        return x, add("Add", step, tiny, name=f"{name}.step")

    def _emit_h(self, graph: Graph, size: int) -> str:
        """The matrix, int8 in the file."""
        name, wide = f"quest_h{size}", f"quest_h{size}.wide"
        if graph.has(wide):
            return wide
        codes = graph.shared(name, hadamard(size).to(torch.int8))
        return graph.add("Cast", codes, name=wide, to=DOUBLE)

    def _emit_codes(self, graph: Graph, y: str, step: str, name: str) -> str:
        """Whole numbers around 128, still float64."""
        n, add = self.levels, graph.add
        factor, shift = whole(n)
        y = add("Div", y, step, name=f"{name}.z")
        y = add("Round" if n % 2 else "Floor", y, name=f"{name}.q")
        if factor == 2:
            y = add("Add", y, y, name=f"{name}.qq")
        centre = graph.scalar(f"{name}.mid", float(factor * (n // 2) + shift))
        y = add("Add", y, centre, name=f"{name}.odd")
        ends = (float(shift), float(factor * (n - 1) + shift))
        names = (f"{name}.low", f"{name}.high")
        low, high = map(graph.scalar, names, ends)
        return add("Clip", y, low, high, name=f"{name}.clip")

    def _emit_weight(self, graph: Graph, k: int, name: str) -> str:
        """Whole numbers around 128, UINT8 (K, N), unpacked as the file is opened."""
        add, size = graph.add, storage(self.bits)
        factor, shift = whole(self.levels)
        if size == 8:
            whole_numbers = self.codes[k].int() * factor + shift
            return graph.constant(f"{name}.weight", whole_numbers.to(torch.uint8))
        if size == 4:
            x = graph.constant(f"{name}.packed", self.codes[k], "UINT4")
            x = add("Cast", x, name=f"{name}.bytes", to=UINT8)
        else:
            x = graph.constant(f"{name}.packed", self.packed[k][:, None])
            shifts = torch.arange(0, 8, size, dtype=torch.uint8)
            by = graph.shared(f"quest_shifts{size}", shifts)
            x = add("BitShift", x, by, name=f"{name}.moved", direction="RIGHT")
            top = torch.tensor(2**size - 1, dtype=torch.uint8)
            top_name = graph.shared(f"quest_mask{size}", top)
            x = add("BitwiseAnd", x, top_name, name=f"{name}.cut")
            shape = torch.tensor([self.width, self.outputs])
            to = graph.shared(f"quest_shape{self.width}x{self.outputs}", shape)
            x = add("Reshape", x, to, name=f"{name}.bytes")
        x = add("Add", x, x, name=f"{name}.even")
        moved = graph.shared(f"quest_up{shift}", torch.tensor(shift, dtype=torch.uint8))
        return add("Add", x, moved, name=f"{name}.weight")

    def _emit_halves(self, graph: Graph, total: str, y: str, w: str, name: str) -> str:
        """(x + 1/2)(w + 1/2) from the sum of x w: 8 bits have no odd whole numbers."""
        add = graph.add
        rows = graph.shared("quest_axis", torch.tensor([1]))
        x = add("ReduceSum", y, rows, name=f"{name}.row_sums")  # (B, 1)
        w = add("Cast", w, name=f"{name}.wide", to=DOUBLE)
        columns = graph.shared("quest_axis0", torch.tensor([0]))
        w = add("ReduceSum", w, columns, name=f"{name}.column_sums")  # (1, N)
        x = add("Add", x, w, name=f"{name}.sums")
        x = add("Mul", x, graph.scalar(f"{name}.one_half", 0.5), name=f"{name}.halves")
        less = self.width * (0.25 - ZERO)  # sums are of numbers around 128
        x = add("Add", x, graph.scalar(f"{name}.less", less), name=f"{name}.rest")
        return add("Add", total, x, name=f"{name}.whole")


def packed(layer: Quest) -> QuestLinear:
    """What a trained layer becomes.

    Raises:
        ValueError: If its scale is not that of rows; other scales are for comparison.
    """
    if layer.scale != "rms":
        raise ValueError(f"a layer of scale {layer.scale!r} has no packed form")
    size = (layer.stack, layer.inputs, layer.outputs)
    stored = QuestLinear(*size, layer.bits, layer.block, bias=layer.bias is not None)
    with torch.no_grad():
        bias = None if layer.bias is None else layer.bias[:, 0]
        stored.fill(layer.weight, bias)
    return stored
