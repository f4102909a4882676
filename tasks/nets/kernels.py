"""Loops over float32 arrays in the processor's cache, compiled by numba.

They are plain functions of arrays: which tensors go through them is said in
``perceptron.py``. A compiled function lies in a ``__pycache__`` beside
this file, or in the user's cache where that cannot be written, and is compiled again
when this file or the processor is another. So every function that one of them calls
stands here. The order of all sums is fixed.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numba.core import types
from numba.extending import intrinsic

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
Floats = np.ndarray[Any, np.dtype[np.float32]]
Counts = np.ndarray[Any, np.dtype[np.int64]]
ITEM = 4  # bytes of a float32
# OpenBLAS does products of up to so many multiplications without packing them, which
# 256x64x64 take 23 us for, 29 as a gradient by weight, and 20 in two halves
SMALL, LEAST = 1_000_000, 32  # multiplications; rows below which it does not pay


def compiled(function: AnyFunction) -> AnyFunction:
    """Compile on first use, and keep the result on disk where there is a place."""
    # "contract": a product and a sum may be rounded once instead of twice
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    compiler: Any = numba.njit
    try:
        return cast("AnyFunction", compiler(cache=True, **options)(function))
    except RuntimeError:  # no folder that can be written
        return cast("AnyFunction", compiler(**options)(function))


@intrinsic
def pointer(context: Any, address: Any) -> Any:
    """An address as a pointer to float32."""
    del context, address

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        return builder.inttoptr(values[0], kind)

    kind: Any = types
    return kind.CPointer(types.float32)(types.int64), build


@compiled
def _matrix(address: int, rows: int, columns: int) -> Floats:
    """What lies at an address, (rows, columns)."""
    return carray(pointer(address), (rows, columns))  # type: ignore[call-arg]


@compiled
def _tile(rows: int, inputs: int, outputs: int) -> int:
    """How many rows at a time go into a product: few enough for BLAS's small ones."""
    most = SMALL // (inputs * outputs)
    if rows <= most or most < LEAST:
        return rows
    tile = LEAST
    while 2 * tile <= most:
        tile *= 2
    return tile


@compiled
def _product(x: Floats, weight: Floats, y: Floats) -> None:
    """Matrix product: (B, I), (I, O) -> y (B, O)."""
    rows = x.shape[0]
    if weight.shape[1] == 1:
        np.dot(x, weight.reshape(-1), y.reshape(-1))
        return
    tile = _tile(rows, weight.shape[0], weight.shape[1])
    for row in range(0, rows, tile):
        np.dot(x[row : row + tile], weight, y[row : row + tile])


@compiled
def _input(parts: Counts, source: int, rows: int, spare: int) -> Floats:
    """A slice's rows (B, I), side by side if they come in parts or with gaps."""
    width = parts[:, 1].sum()
    if len(parts) == 1 and parts[0, 3] == width:
        return _matrix(parts[0, 0] + ITEM * source * parts[0, 2], rows, width)
    x, column = _matrix(spare, rows, width), 0
    for part in range(len(parts)):
        count, step = parts[part, 1], parts[part, 3]
        at = parts[part, 0] + ITEM * source * parts[part, 2]
        below = _matrix(at, 1, (rows - 1) * step + count)[0]
        for row in range(rows):
            for unit in range(count):
                x[row, column + unit] = below[row * step + unit]
        column += count
    return x


@compiled
def _by_weight(below: Floats, g: Floats, by_weight: Floats) -> None:
    """Gradient by weight (I, O): of rows (B, I) and g (B, O)."""
    rows = len(g)
    if g.shape[1] == 1:
        np.dot(below.T, g.reshape(-1), by_weight.reshape(-1))
        return
    tile = _tile(rows, below.shape[1], g.shape[1])
    np.dot(below[:tile].T, g[:tile], by_weight)
    if tile < rows:
        part = np.empty_like(by_weight)
        for row in range(tile, rows, tile):
            np.dot(below[row : row + tile].T, g[row : row + tile], part)
            for i in range(part.shape[0]):
                for unit in range(part.shape[1]):
                    by_weight[i, unit] += part[i, unit]


@compiled
def _by_bias(g: Floats, by_bias: Floats) -> None:
    """Gradient by bias (O,): the sum of g (B, O) over rows, four at a time."""
    by_bias[:] = np.float32(0)
    whole = len(g) // 4 * 4
    for row in range(0, whole, 4):
        for unit in range(g.shape[1]):
            first = g[row, unit] + g[row + 1, unit]
            by_bias[unit] += first + (g[row + 2, unit] + g[row + 3, unit])
    for row in range(whole, len(g)):
        for unit in range(g.shape[1]):
            by_bias[unit] += g[row, unit]


@compiled
def _by_rows(g: Floats, weight: Floats, slope: Floats) -> None:
    """Gradient by a layer's rows: g (B, O) and weight (I, O) -> slope (B, I)."""
    rows, tile = len(g), _tile(len(g), weight.shape[0], weight.shape[1])
    if g.shape[1] == 1:
        wide = weight.reshape(-1)
        for row in range(rows):
            up = g[row, 0]
            for unit in range(len(wide)):
                slope[row, unit] = up * wide[unit]
    elif rows * weight.size <= SMALL or tile < rows:
        turned = weight.T.copy()  # small products take it faster than turned by BLAS
        for row in range(0, rows, tile):
            np.dot(g[row : row + tile], turned, slope[row : row + tile])
    else:
        np.dot(g, weight.T, slope)


@compiled
def _stop(slope: Floats, h: Floats) -> None:
    """Set a gradient (B, H) to 0 where ReLU gave 0."""
    for row in range(slope.shape[0]):
        for unit in range(slope.shape[1]):
            z = slope[row, unit]
            slope[row, unit] = np.float32(0) if h[row, unit] <= 0 else z


@compiled
def forward(
    weights: Counts,
    widths: Counts,
    parts: Counts,
    y: int,
    room: int,
    spare: int,
    sources: int,
    slices: int,
    rows: int,
    first: int,
    every: int,
    kept: int,
) -> None:
    """A stack of perceptrons with ReLU between their layers, slice by slice.

    One slice goes through all layers while its rows lie in the cache. Slice k of the
    output comes from slice ``first + every * k`` of the weights. Arrays are given by
    their addresses, as making arrays of a dozen tensors takes longer than a small
    network; all but the input are contiguous.

    Args:
        weights: Addresses of weight (stack, I, O) and bias (stack, 1, O) of each layer.
        widths: Of the input, and of what each layer gives; two layers or more.
        parts: The input (sources, rows, I), in one or more parts of its columns: of
            each the address, the width, and the steps from a slice and from a row to
            the next, in numbers.
        y: Address of the output (slices, rows, O).
        room: Of what the ``kept`` slices of each layer but the last give, layer after
            layer.
        spare: Of two arrays (rows, the largest width) for passing use.
        sources: Slices of the input; each serves slices / sources of the output.
        slices: Of the output, K.
        rows: B.
        first: Of the weights.
        every: >= 1.
        kept: K, or 1 to keep the last slice's alone.
    """
    last = len(widths) - 2
    for k in range(slices):
        w = first + every * k
        x = _input(parts, k * sources // slices, rows, spare)
        at = room
        for i in range(last + 1):
            before, after = widths[i], widths[i + 1]
            weight = _matrix(weights[2 * i] + ITEM * w * before * after, before, after)
            bias = _matrix(weights[2 * i + 1] + ITEM * w * after, 1, after)[0]
            if i == last:
                out = _matrix(y + ITEM * k * rows * after, rows, after)
                _product(x, weight, out)
                for row in range(rows):
                    for unit in range(after):
                        out[row, unit] += bias[unit]
                break
            h = _matrix(at + ITEM * (k % kept) * rows * after, rows, after)
            at += ITEM * kept * rows * after
            _product(x, weight, h)
            for row in range(rows):
                for unit in range(after):
                    z = h[row, unit] + bias[unit]
                    h[row, unit] = np.float32(0) if z <= 0 else z  # nan stays
            x = h


@compiled
def backward(
    weights: Counts,
    widths: Counts,
    parts: Counts,
    above: int,
    room: int,
    by_input: int,
    by_weights: int,
    spare: int,
    stack: int,
    sources: int,
    slices: int,
    rows: int,
    first: int,
    every: int,
) -> None:
    """Gradients of what :func:`forward` did, slice by slice.

    Args:
        weights: As there.
        widths: As there.
        parts: As there.
        above: Address of the gradient of the output.
        room: Of what ``forward`` kept of all slices.
        by_input: Of the gradient by the input (slices, rows, I); 0 for none.
        by_weights: Of the gradients by weight and bias of each layer one after the
            other, in their shapes; 0 for none. Slices that took no part keep what lies
            there.
        spare: As there, for three arrays.
        stack: Slices of the weights.
        sources: As there.
        slices: As there.
        rows: As there.
        first: As there.
        every: As there.
    """
    layers, widest = len(widths) - 1, widths.max()
    for k in range(slices):
        w = first + every * k
        g = _matrix(above + ITEM * k * rows * widths[layers], rows, widths[layers])
        at, by = room, by_weights
        for i in range(layers):  # to behind the last layer
            by += ITEM * stack * (widths[i] + 1) * widths[i + 1]
            if i < layers - 1:
                at += ITEM * slices * rows * widths[i + 1]
        for i in range(layers - 1, -1, -1):
            before, after = widths[i], widths[i + 1]
            by -= ITEM * stack * (before + 1) * after
            if i:
                at -= ITEM * slices * rows * before
                x = _matrix(at + ITEM * k * rows * before, rows, before)
            elif by_weights:
                x = _input(parts, k * sources // slices, rows, spare)
            if by_weights:
                by_bias = by + ITEM * (stack * before + w) * after
                _by_bias(g, _matrix(by_bias, 1, after)[0])
                place = by + ITEM * w * before * after
                _by_weight(x, g, _matrix(place, before, after))
            weight = _matrix(weights[2 * i] + ITEM * w * before * after, before, after)
            if i:
                place = spare + ITEM * (1 + i % 2) * rows * widest
                slope = _matrix(place, rows, before)
                _by_rows(g, weight, slope)
                _stop(slope, x)
                g = slope
            elif by_input:
                place = by_input + ITEM * k * rows * before
                _by_rows(g, weight, _matrix(place, rows, before))
