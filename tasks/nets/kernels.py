"""Loops over float32 arrays in the processor's cache, compiled by numba.

They are plain functions of arrays: which tensors go through them is said in
``flat.py`` and ``perceptron.py``. A compiled function lies in a ``__pycache__`` beside
this file, or in the user's cache where that cannot be written, and is compiled again
when this file or the processor is another. So every function that one of them calls
stands here. The order of all sums is fixed.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
Floats = np.ndarray[Any, np.dtype[np.float32]]
Counts = np.ndarray[Any, np.dtype[np.int64]]


def compiled(function: AnyFunction) -> AnyFunction:
    """Compile on first use, and keep the result on disk where there is a place."""
    # "contract": a product and a sum may be rounded once instead of twice
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    compiler: Any = numba.njit
    try:
        return cast("AnyFunction", compiler(cache=True, **options)(function))
    except RuntimeError:  # no folder that can be written
        return cast("AnyFunction", compiler(**options)(function))


@compiled
def adam(
    weight: Floats,
    gradient: Floats,
    mean: Floats,
    square: Floats,
    sizes: Counts,
    rates: Floats,
    step: int,
    decay: float,
) -> None:
    """One step of Adam (betas 0.9 and 0.999, eps 1e-8), in place.

    Args:
        weight: (P,), parameters one after the other, each seed by seed.
        gradient: (P,).
        mean: (P,), moving average of the gradient.
        square: (P,), that of its square.
        sizes: Elements of each parameter; their sum is P.
        rates: Learning rates, (1,), or one a seed; then their number divides each size.
        step: Number of this step, 1...
        decay: Share of a weight, times its rate, that is taken off before.
    """
    rising = np.float32(1 / (1 - 0.9**step))
    root = np.float32(1 / math.sqrt(1 - 0.999**step))
    at = 0
    for size in sizes:
        part = size // len(rates)
        for rate in rates:
            pace, kept = rate * rising, np.float32(1) - np.float32(decay) * rate
            for i in range(at, at + part):
                g = gradient[i]
                m = mean[i] + np.float32(0.1) * (g - mean[i])
                s = np.float32(0.999) * square[i] + np.float32(0.001) * g * g
                mean[i], square[i] = m, s
                root_square = np.sqrt(s) * root + np.float32(1e-8)
                weight[i] = weight[i] * kept - pace * m / root_square
            at += part


@compiled
def lerp(target: Floats, source: Floats, sizes: Counts, rates: Floats) -> None:
    """Move target <- (1 - rate) target + rate source, in place; at 1 it is a copy.

    Args:
        target: (P,), parameters one after the other, each seed by seed.
        source: (P,), likewise.
        sizes: Elements of each parameter; their sum is P.
        rates: Shares of the source, (1,), or one a seed.
    """
    at = 0
    for size in sizes:
        part = size // len(rates)
        for rate in rates:
            for i in range(at, at + part):
                move = source[i] - target[i]
                if rate < 0.5:
                    target[i] += rate * move
                else:
                    target[i] = source[i] - (np.float32(1) - rate) * move
            at += part


@compiled
def forward(
    x: Floats,
    weights: tuple[Floats, ...],
    biases: tuple[Floats, ...],
    hidden: tuple[Floats, ...],
    y: Floats,
    first: int,
    every: int,
) -> None:
    """A stack of perceptrons with ReLU between their layers, slice by slice.

    One slice goes through all layers while its rows lie in the cache. Slice k of ``y``
    comes from slice ``first + every * k`` of the weights.

    Args:
        x: (X, B, I); each slice serves K / X slices of ``y`` in a row.
        weights: (stack, I, O) of each layer, two layers or more.
        biases: (stack, 1, O) of each layer.
        hidden: Filled, what each layer but the last gives, (K, B, O), or (1, B, O) to
            keep none but the last slice's.
        y: (K, B, O), filled.
        first: Of the weights.
        every: >= 1.
    """
    share = len(y) // len(x)
    last = len(weights) - 1
    for k in range(len(y)):
        w = first + every * k
        before = x[k // share]
        for i in range(last):
            h = hidden[i][k % len(hidden[i])]
            np.dot(before, weights[i][w], h)
            bias = biases[i][w, 0]
            for row in range(h.shape[0]):
                for unit in range(h.shape[1]):
                    z = h[row, unit] + bias[unit]
                    h[row, unit] = np.float32(0) if z <= 0 else z  # nan stays
            before = h
        out, bias = y[k], biases[last][w, 0]
        if out.shape[1] == 1:
            np.dot(before, weights[last][w].reshape(-1), out.reshape(-1))
        else:
            np.dot(before, weights[last][w], out)
        for row in range(out.shape[0]):
            for unit in range(out.shape[1]):
                out[row, unit] += bias[unit]


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
def backward(
    x: Floats,
    weights: tuple[Floats, ...],
    hidden: tuple[Floats, ...],
    above: Floats,
    first: int,
    every: int,
    by_weights: tuple[Floats, ...],
    by_biases: tuple[Floats, ...],
    by_x: Floats,
    slopes: tuple[Floats, ...],
) -> None:
    """Gradients of what :func:`forward` did, slice by slice.

    Args:
        x: As there.
        weights: As there.
        hidden: What it kept of all slices.
        above: Gradient of ``y``, (K, B, O).
        first: As there.
        every: As there.
        by_weights: Filled, (stack, I, O); their slices that took no part stay as they
            are. Empty arrays, (0, 0, 0), for no gradient by weights.
        by_biases: Likewise, (stack, 1, O).
        by_x: (K, B, I), filled; empty, (0, 0, 0), for no gradient by x.
        slopes: Room for the gradient of each layer but the last, (B, O).
    """
    share = len(above) // len(x)
    last = len(weights) - 1
    learn = len(by_weights[0]) > 0
    for k in range(len(above)):
        w = first + every * k
        g = above[k]
        for i in range(last, -1, -1):
            if learn:
                below = hidden[i - 1][k] if i else x[k // share]
                _by_layer(below, g, by_weights[i][w], by_biases[i][w, 0])
            if i:
                _by_rows(g, weights[i][w], slopes[i - 1])
                _stop(slopes[i - 1], hidden[i - 1][k])
                g = slopes[i - 1]
            elif len(by_x):
                _by_rows(g, weights[0][w], by_x[k])
