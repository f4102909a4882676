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
def _pointer(context: Any, address: Any) -> Any:
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
    return carray(_pointer(address), (rows, columns))  # type: ignore[call-arg]


@compiled
def _product(x: Floats, weight: Floats, y: Floats) -> None:
    """Matrix product: (B, I), (I, O) -> y (B, O)."""
    if weight.shape[1] == 1:
        np.dot(x, weight.reshape(-1), y.reshape(-1))
    else:
        np.dot(x, weight, y)


@compiled
def _by_layer(below: Floats, g: Floats, by_weight: Floats, by_bias: Floats) -> None:
    """Gradient by weight (I, O) and bias (O,): of rows (B, I) and g (B, O)."""
    if g.shape[1] == 1:
        np.dot(below.T, g.reshape(-1), by_weight.reshape(-1))
    else:
        np.dot(below.T, g, by_weight)
    by_bias[:] = np.float32(0)
    for row in range(g.shape[0]):
        for unit in range(g.shape[1]):
            by_bias[unit] += g[row, unit]


@compiled
def _by_rows(g: Floats, weight: Floats, slope: Floats) -> None:
    """Gradient by a layer's rows: g (B, O) and weight (I, O) -> slope (B, I)."""
    if g.shape[1] == 1:
        wide = weight.reshape(-1)
        for row in range(g.shape[0]):
            up = g[row, 0]
            for unit in range(len(wide)):
                slope[row, unit] = up * wide[unit]
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
    places: Counts,
    widths: Counts,
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
    network; all are contiguous.

    Args:
        places: Addresses of the input (sources, rows, I), the output (slices, rows, O),
            room for the ``kept`` slices that each layer but the last gives, layer after
            layer, and weight (stack, I, O) and bias (stack, 1, O) of each layer.
        widths: Of the input, and of what each layer gives; two layers or more.
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
        source = k * sources // slices
        x = _matrix(places[0] + ITEM * source * rows * widths[0], rows, widths[0])
        room = places[2]
        for i in range(last + 1):
            before, after = widths[i], widths[i + 1]
            weight = _matrix(
                places[3 + 2 * i] + ITEM * w * before * after, before, after
            )
            bias = _matrix(places[4 + 2 * i] + ITEM * w * after, 1, after)[0]
            if i == last:
                y = _matrix(places[1] + ITEM * k * rows * after, rows, after)
                _product(x, weight, y)
                for row in range(rows):
                    for unit in range(after):
                        y[row, unit] += bias[unit]
                break
            h = _matrix(room + ITEM * (k % kept) * rows * after, rows, after)
            room += ITEM * kept * rows * after
            _product(x, weight, h)
            for row in range(rows):
                for unit in range(after):
                    z = h[row, unit] + bias[unit]
                    h[row, unit] = np.float32(0) if z <= 0 else z  # nan stays
            x = h


@compiled
def backward(
    places: Counts,
    widths: Counts,
    stack: int,
    sources: int,
    slices: int,
    rows: int,
    first: int,
    every: int,
) -> None:
    """Gradients of what :func:`forward` did, slice by slice.

    Args:
        places: Addresses of the input, the gradient of the output, what ``forward``
            kept of all slices, the gradient by the input (slices, rows, I), the
            gradients by weight and bias of each layer one after the other, in their
            shapes, and room for two arrays (rows, the largest width); then of the
            weights. 0 for a gradient that is not asked for. Slices of the weights that
            took no part keep what lies in their gradients' place.
        widths: As there.
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
        source = k * sources // slices
        g = _matrix(places[1] + ITEM * k * rows * widths[layers], rows, widths[layers])
        room, by = places[2], places[4]
        for i in range(layers):  # to behind the last layer
            by += ITEM * stack * (widths[i] + 1) * widths[i + 1]
            if i < layers - 1:
                room += ITEM * slices * rows * widths[i + 1]
        for i in range(layers - 1, -1, -1):
            before, after = widths[i], widths[i + 1]
            by -= ITEM * stack * (before + 1) * after
            if i:
                room -= ITEM * slices * rows * before
                x = _matrix(room + ITEM * k * rows * before, rows, before)
            else:
                x = _matrix(places[0] + ITEM * source * rows * before, rows, before)
            if places[4]:
                by_weight = _matrix(by + ITEM * w * before * after, before, after)
                at = by + ITEM * (stack * before + w) * after
                _by_layer(x, g, by_weight, _matrix(at, 1, after)[0])
            weight = _matrix(places[6 + i] + ITEM * w * before * after, before, after)
            if i:
                at = places[5] + ITEM * (i % 2) * rows * widest
                slope = _matrix(at, rows, before)
                _by_rows(g, weight, slope)
                _stop(slope, x)
                g = slope
            elif places[3]:
                at = places[3] + ITEM * k * rows * before
                _by_rows(g, weight, _matrix(at, rows, before))
