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
