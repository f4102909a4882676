"""QuEST's layer as ONNX nodes: what ``QuestLinear.forward`` does in torch.

In few nodes, as each costs more than what it computes for a single row:

- H H^T = block I, so a row's length after the rotation is its length before, times
  sqrt(block). The row is divided by it first; 1 / D's other part stands in H.
- Rotation, and the shift that makes all codes positive, are one Gemm. What is positive
  is rounded down by its Cast to UINT8.
- Codes up to 7 bits are doubled in UINT8: zero points 127 and n - 1 make odd numbers of
  them. Those of 8 bits have halves: 2 (x + 1/2)(w + 1/2) = x w + (x + 1)(w + 1) - 1/2,
  two products with other zero points.

What depends on the weights alone is computed as the file is opened.
"""

from typing import TYPE_CHECKING

import torch

from tasks.nets.graph import DOUBLE, FLOAT, UINT8, Graph
from tasks.nets.quest import HALF_RANGE, TINY, hadamard, storage

if TYPE_CHECKING:
    from tasks.nets.quest_packed import QuestLinear

WHOLE = 64  # largest Hadamard block whose product with a row is a single one


def emit(layer: "QuestLinear", graph: Graph, x: str, k: int, name: str) -> str:
    """Add slice ``k``: rotation, rounding, MatMulInteger, scales."""
    out, add = f"{name}.out", graph.add
    if graph.double:  # what follows shall be sums of float32
        x = add("Cast", x, name=f"{name}.single", to=FLOAT)
    with graph.in_double([], [out]):
        codes, size, unit = _emit_codes(layer, graph, x, name)
        total = _emit_product(layer, graph, codes, k, name)
        # D is size times unit; the scale is that of the product's whole numbers
        by = graph.scalar(f"{name}.unit", unit / (2 if layer.levels > 128 else 1))
        scale = graph.constant(f"{name}.scale", layer.scale[k])
        scale = add("Mul", scale, by, name=f"{name}.scales")  # at the start
        # one after the other: a single product of both is fused with
        # MatMulInteger to an operator that takes no float64
        total = add("Mul", total, size, name=f"{name}.sized")
        if layer.bias is None:
            return add("Mul", total, scale, name=out)
        total = add("Mul", total, scale, name=f"{name}.product")
        bias = graph.constant(f"{name}.bias", layer.bias[k])
        return add("Add", total, bias, name=out)


def _emit_codes(
    layer: "QuestLinear", graph: Graph, x: str, name: str
) -> tuple[str, str, float]:
    """(B, I) -> UINT8 (B, K); with (B, 1) and a number, whose product is D.

    y / D + middle is one Gemm of x / size: H H^T = block I, so the length of y is
    that of x times sqrt(block). What is positive is rounded down by its Cast.
    """
    add, n, width, block = graph.add, layer.levels, layer.width, layer.block
    x = add("Cast", x, name=f"{name}.x", to=DOUBLE)
    axis = graph.shared("quest_axis", torch.tensor([1]))
    size = add("ReduceL2", x, axis, name=f"{name}.length")
    half = HALF_RANGE[layer.bits] * (block / width) ** 0.5
    tiny = graph.scalar(f"{name}.tiny", TINY * block**0.5 / half)
    size = add("Add", size, tiny, name=f"{name}.size")
    unit = 2 / (n - 1) * half
    x = add("Div", x, size, name=f"{name}.direction")
    middle = 128 if n > 128 else 64
    half_up = 0.5 if n % 2 else 0.0  # between two levels the upper one, or nearest
    up = graph.scalar(f"{name}.middle", middle + half_up)
    x = _emit_rotated(layer, graph, x, up, unit, name)
    ends = (middle - n // 2, middle + (n - 1) // 2 + 0.5)
    names = (f"{name}.low", f"{name}.high")
    x = add("Clip", x, *map(graph.scalar, names, map(float, ends)), name=f"{name}.q")
    x = add("Cast", x, name=f"{name}.codes", to=UINT8)
    if n <= 128:  # odd whole numbers around 127, or even ones around 128
        x = add("Add", x, x, name=f"{name}.doubled")
    return x, size, unit


def _emit_rotated(
    layer: "QuestLinear", graph: Graph, x: str, up: str, unit: float, name: str
) -> str:
    """Rotated, in units, moved up: x H / unit + up, (B, I) -> (B, K)."""
    add, width, block = graph.add, layer.width, layer.block
    by = graph.scalar(f"{name}.per_unit", 1 / unit)
    if 1 < block == width <= WHOLE:
        h = add("Mul", _emit_h(graph, layer.inputs, block), by, name=f"{name}.h")
        return add("Gemm", x, h, up, name=f"{name}.z")
    if width > layer.inputs:
        fill = torch.tensor([0, 0, 0, width - layer.inputs])
        x = add("Pad", x, graph.constant(f"{name}.fill", fill), name=f"{name}.full")
    if block == 1:
        x = add("Mul", x, by, name=f"{name}.turned")
    else:  # H of many is H of 8 and H of block / 8, each a small product
        parts = [8, block // 8] if block > WHOLE else [block]
        cut = torch.tensor([-1, width // block, *parts])
        cut_name = graph.shared(f"quest_cut{width}x{block}", cut)
        x = add("Reshape", x, cut_name, name=f"{name}.blocks")
        if block > WHOLE:
            x = add("MatMul", _emit_h(graph, 8, 8), x, name=f"{name}.turn")
        h = _emit_h(graph, parts[-1], parts[-1])
        h = add("Mul", h, by, name=f"{name}.h")
        x = add("MatMul", x, h, name=f"{name}.turned")
        rows = graph.shared(f"quest_rows{width}", torch.tensor([-1, width]))
        x = add("Reshape", x, rows, name=f"{name}.y")
    return add("Add", x, up, name=f"{name}.z")


def _emit_product(layer: "QuestLinear", graph: Graph, x: str, k: int, name: str) -> str:
    """Codes UINT8 (B, K) -> sums of products with the weights' (B, N), float64.

    Those of 8 bits are x = q - 127.5: twice their product is that around 128 and
    that around 127, less K / 2.
    """
    add, n = graph.add, layer.levels
    w = _emit_weight(layer, graph, k, name)

    def product(zero_x: int, zero_w: int, which: str) -> str:
        zeros = [
            graph.shared(f"quest_{zero}", torch.tensor(zero, dtype=torch.uint8))
            for zero in (zero_x, zero_w)
        ]
        return add("MatMulInteger", x, w, *zeros, name=f"{name}.{which}")

    if n > 128:
        total, other = product(128, 128, "sum"), product(127, 127, "other_sum")
        total = add("Add", total, other, name=f"{name}.both")
        less = torch.tensor(-layer.width // 2, dtype=torch.int32)
        less_name = graph.constant(f"{name}.less", less)
        total = add("Add", total, less_name, name=f"{name}.whole")
    else:
        total = product(128 if n % 2 else 127, n - 1, "sum")
    return add("Cast", total, name=f"{name}.total", to=DOUBLE)


def _emit_weight(layer: "QuestLinear", graph: Graph, k: int, name: str) -> str:
    """Codes, of up to 7 bits twice them: UINT8 (K, N), as the file is opened."""
    add, size = graph.add, storage(layer.bits)
    if size == 4:
        x = graph.constant(f"{name}.packed", layer.codes[k], "UINT4")
        x = add("Cast", x, name=f"{name}.bytes", to=UINT8)
    elif size == 8:
        x = graph.constant(f"{name}.packed", layer.codes[k])
    else:
        x = graph.constant(f"{name}.packed", layer.packed[k][:, None])
        shifts = torch.arange(0, 8, size, dtype=torch.uint8)
        by = graph.shared(f"quest_shifts{size}", shifts)
        x = add("BitShift", x, by, name=f"{name}.moved", direction="RIGHT")
        top = torch.tensor(2**size - 1, dtype=torch.uint8)
        top_name = graph.shared(f"quest_mask{size}", top)
        x = add("BitwiseAnd", x, top_name, name=f"{name}.cut")
        shape = torch.tensor([layer.width, layer.outputs])
        to = graph.shared(f"quest_shape{layer.width}x{layer.outputs}", shape)
        x = add("Reshape", x, to, name=f"{name}.bytes")
    if layer.levels > 128:
        return x
    return add("Add", x, x, name=f"{name}.weight")


def _emit_h(graph: Graph, rows: int, size: int) -> str:
    """The first rows of H, float64; in the file int8, or the H of 8 it is made of.

    H of a b is H of a times H of b, entry by entry.
    """
    name = f"quest_h{rows}x{size}"
    if graph.has(name):
        return name
    if rows < size or size < 32:
        h = graph.constant(f"{name}_codes", hadamard(size)[:rows].to(torch.int8))
    else:
        parts = hadamard(8)[:, None, :, None], hadamard(size // 8)[:, None]
        names = [
            graph.constant(f"{name}_part{i}", part.to(torch.int8))
            for i, part in enumerate(parts)
        ]
        h = graph.add("Mul", *names, name=f"{name}_parts")
        shape = graph.constant(f"{name}_shape", torch.tensor([size, size]))
        h = graph.add("Reshape", h, shape, name=f"{name}_codes")
    return graph.add("Cast", h, name=name, to=DOUBLE)
