"""QuEST's layers as they are stored and exported; ``quest.py`` has trained ones.

| bits | levels n | stored as |
|---|---|---|
| 1 | 2 | UINT8, 8 codes a byte |
| 1.585 | 3 | UINT8, 4 codes a byte |
| 2 | 4 | UINT8, 4 codes a byte |
| 3, 4 | 8, 16 | UINT4, 2 codes a byte |
| 5 to 8 | 32 to 256 | UINT8 |

In onnxruntime products are those of ``MatMulInteger``, of odd whole numbers
2 q - (n-1); of 8 bits two, with q - 127.5 between them. UINT8 on both sides, as kernels
for signed numbers saturate from 7 bits on where a CPU has AVX2 without VNNI. There is
no kernel for fewer than 8 bits: such a file is small, and as fast as one of 8 bits.

All that decides on a code is float64. A code near a border falls to one side or the
other by the last bit, and one other code is another action: with float32, whose sums
differ by 1e-7 with their order, torch and onnxruntime would disagree now and then.
"""

import torch
from torch import Tensor, nn

from tasks.nets.graph import Graph
from tasks.nets.packing import empty, pack, unpack
from tasks.nets.quest import (
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
    storage,
)
from tasks.nets.quest_graph import emit


def factor(n: int) -> int:
    """By which codes around their middle become whole numbers; 8 bits keep halves."""
    return 1 if n > 128 else 2


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
        y, step = self._rotated(weight.double().transpose(1, 2))  # (S, N, K)
        codes = round_to(y, step, self.levels).to(torch.uint8).transpose(1, 2)
        self.packed.copy_(pack(codes.reshape(self.stack, -1), storage(self.bits)))
        self.scale.copy_(step[..., 0] / (factor(self.levels) ** 2 * self.block))
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
        by = factor(self.levels)
        middle = by * (self.levels - 1) / 2
        ours = round_to(y, step, self.levels) * by - middle
        theirs = self.codes.double() * by - middle
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
        return emit(self, graph, x, k, name)


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
