"""Lamba's adaptive Euler-Heun method for Stratonovich SDEs with diagonal noise.

Of du = f dt + g o dW, a step of size h from u with the increment dW ~ N(0, h):

    K     = u + h f(u)      T = K + g(u) dW
    u_new = u + h/2 (f(u) + f(T)) + 1/2 (g(u) + g(T)) dW
    e     = h/2 (f(K) - f(u)) / 6 + (g(u + g(u) sqrt h) - g(u)) / sqrt h dW^2 / 2
    q     = e / (atol + rtol max(|u|, |u_new|)),      E = sqrt(mean q^2)

A step with E <= 1 is taken. Steps are whole numbers of ``CELLS`` cells, powers of two
and aligned, so that a step that is tried again with half its size meets the same path
of W, and no increment is drawn twice: after E > 1 it is halved, after E < 1/4 doubled.
A step costs four evaluations of f and g.

Sources: Lamba 2003, "An adaptive timestepping algorithm for stochastic differential
equations"; the weight 1/6 is the default of StochasticDiffEq.jl. Every slice has steps
of its own. Arrays are numpy's or torch's.

Shapes: S slices, N numbers of a slice's state.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.nets.tsit5 import Floats, Tolerance, check, column, finite, library, rms

CELLS, FIRST = 256, 16  # of a way, and of its first step
DRIFT = 1 / 6  # weight of the drift's part of the error
EASY = 0.25  # an error below which the next step is twice as long
EVALUATIONS = 4  # a step
# state (S, N) -> drift and diffusion, (S, N) each
Fields = Callable[[Any], tuple[Any, Any]]


@dataclass
class Way:
    """What came of solving.

    Attributes:
        state: (S, N), at the end.
        evaluations: (S,), of drift and diffusion.
        rejected: (S,), steps that were not taken.
        steps: Of each round the states (S, N) its steps began at, their sizes (S,) and
            increments (S, N), and which of them were taken (S,).
    """

    state: Any
    evaluations: NDArray[np.int64]
    rejected: NDArray[np.int64]
    steps: list[tuple[Any, Floats, Any, NDArray[np.bool_]]] = field(
        default_factory=list
    )


def step(fields: Fields, u: Any, h: Floats, dw: Any) -> tuple[Any, Any]:
    """One step: u_new and e of the head of this file, (S, N) each.

    Args:
        fields: Drift and diffusion.
        u: (S, N).
        h: (S,), sizes, above 0.
        dw: (S, N), increments.
    """
    size, root = column(h, u), column(np.sqrt(h), u)
    f, g = fields(u)
    k = u + size * f
    f_k, _ = fields(k)
    f_t, g_t = fields(k + g * dw)
    _, g_root = fields(u + g * root)
    u_new = u + size / 2 * (f + f_t) + (g + g_t) / 2 * dw
    drift, noise = size / 2 * (f_k - f), (g_root - g) / root * dw * dw / 2
    return u_new, DRIFT * drift + noise


def scaled(e: Any, u: Any, u_new: Any, tolerance: Tolerance) -> Any:
    """Q of the head of this file, (S, N)."""
    largest = library(u).maximum(abs(u), abs(u_new))
    return e / (tolerance.atol + tolerance.rtol * largest)


def path(normal: Any, end: float) -> Any:
    """W at the borders of the cells, (S, CELLS + 1, N), from (S, CELLS, N) draws."""
    zero = 0 * normal[:, :1]
    parts = [zero, normal * (end / CELLS) ** 0.5]
    lib = library(normal)
    joined = lib.concatenate(parts, 1) if lib is np else lib.cat(parts, 1)
    return joined.cumsum(1)


def solve(
    fields: Fields,
    u: Any,
    w: Any,
    end: float,
    tolerance: Tolerance,
    *,
    keep: bool = False,
) -> Way:
    """Solve from 0 to the end along a path of W.

    Args:
        fields: Drift and diffusion.
        u: (S, N), at 0.
        w: (S, CELLS + 1, N), of :func:`path`.
        end: Time, above 0.
        tolerance: What steps are held to.
        keep: Whether the way shall list its steps.

    Raises:
        RefusedError: If the end is not later, a tolerance not above 0, the state empty,
            a field not finite, or a single cell too long a step.
    """
    check(u, (0.0, end), tolerance)
    count = len(u)
    at, size = np.zeros(count, np.int64), np.full(count, FIRST)
    found = Way(u, np.zeros(count, np.int64), np.zeros(count, np.int64))
    slices = np.arange(count)
    while (live := at < CELLS).any():
        span = np.where(live, np.minimum(size, CELLS - at), 1)
        begin = np.minimum(at, CELLS - 1)
        h = span * (end / CELLS)
        dw = w[slices, begin + span] - w[slices, begin]
        u_new, e = step(fields, u, h, dw)
        finite(u_new, h * begin / span)
        error = rms(scaled(e, u, u_new, tolerance))
        taken = live & (error <= 1)
        found.evaluations += EVALUATIONS * live
        found.rejected += live & ~taken
        if keep:
            found.steps.append((u, h, dw, taken))
        where = column(taken.astype(np.float64), u) > 0
        u = library(u).where(where, u_new, u)
        at = at + span * taken
        longer = taken & (error < EASY) & (at % (2 * span) == 0)
        size = np.where(longer, 2 * span, np.where(taken | ~live, span, span // 2))
        if (size < 1).any():
            k = int(np.flatnonzero(size < 1)[0])
            said = f"a step of {end / CELLS:g} too long at t = {at[k] * end / CELLS:g}"
            mend = "loosen the tolerance, or lower the learning rate"
            raise RefusedError("solver", "step", said, "a smaller error", mend)
    found.state = u
    return found
