"""Tsitouras' 5(4) Runge-Kutta pair with adaptive steps, each slice with its own.

Of u' = f(u, t), a step of size h from u at t:

    k_i   = f(u + h sum_j a_ij k_j, t + c_i h)       i = 1..7, k_7 at u_new
    u_new = u + h sum_j a_7j k_j
    e     = h sum_j b_j k_j                           of an embedded 4th-order formula
    q     = e / (atol + rtol max(|u|, |u_new|)),      E = sqrt(mean q^2)

A step with E <= 1 is taken. The next size is h / clip(E^(7/50) / E_before^(2/25) / 0.9,
0.1, 5), after a step that was not taken h / min(5, E^(7/50) / 0.9); the first is by
Hairer's rule. k_7 is the next step's k_1, so a step costs six evaluations of f.

Sources: Tsitouras 2011, "Runge-Kutta pairs of order 5(4) satisfying only the first
column simplifying assumption"; Hairer, Norsett, Wanner 1993, section II.4; the
controller's numbers are those of OrdinaryDiffEq.jl. Every slice has step sizes of its
own, so that seed k alone is solved as seed k in a stack. Arrays are numpy's or torch's.

Shapes: S slices, N numbers of a slice's state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError

Floats = NDArray[np.float64]
# state (S, N) and times (S,) -> its derivative (S, N)
Field = Callable[[Any, Floats], Any]

C = (0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0)
A: tuple[tuple[float, ...], ...] = (
    (),
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (
        *(5.325864828439257, -11.748883564062828),
        *(7.4955393428898365, -0.09249506636175525),
    ),
    (
        *(5.86145544294642, -12.92096931784711, 8.159367898576159),
        *(-0.071584973281401, -0.028269050394068383),
    ),
    (
        *(0.09646076681806523, 0.01, 0.4798896504144996),
        *(1.379008574103742, -3.290069515436081, 2.324710524099774),
    ),
)
EMBEDDED = (
    *(-0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995),
    *(-0.1447110071732629, 0.5823571654525552, -0.45808210592918697),
    0.015151515151515152,
)
STABILITY = 3.5068  # size of its stability region
SAFETY, SLOWEST, FASTEST = 0.9, 5.0, 0.1  # of what a step size is divided by
BETA1, BETA2, OLDEST = 7 / 50, 2 / 25, 1e-4


@dataclass(frozen=True)
class Tolerance:
    """What an adaptive solver is held to.

    Attributes:
        atol: Absolute, in units of the state, > 0.
        rtol: Relative, > 0.
        most: Steps tried, taken or not, before it gives up.
    """

    atol: float
    rtol: float
    most: int = 10_000


@dataclass
class Solution:
    """What came of solving.

    Attributes:
        state: (S, N), at the end.
        evaluations: (S,), of f, those of the first step's size included.
        rejected: (S,), steps that were not taken.
        starts: Of each round the time (S,) and the state (S, N) its steps began at,
            which of them were taken (S,), and their sizes (S,).
    """

    state: Any
    evaluations: NDArray[np.int64]
    rejected: NDArray[np.int64]
    starts: list[tuple[Floats, Any, NDArray[np.bool_], Floats]] = field(
        default_factory=list
    )


def library(x: Any) -> Any:
    """The module whose arrays these are."""
    if isinstance(x, np.ndarray):
        return np
    import torch  # who solves numpy's arrays does without

    return torch


def column(values: Floats, like: Any) -> Any:
    """Numbers (S,) as a column (S, 1) beside a state."""
    if isinstance(like, np.ndarray):
        return values[:, None].astype(like.dtype)
    import torch

    return torch.from_numpy(values).to(like.device, like.dtype)[:, None]


def combined(weights: Sequence[float], stages: Sequence[Any]) -> Any:
    """The weighted sum of some stages."""
    total = weights[0] * stages[0]
    for weight, stage in zip(weights[1:], stages[1:], strict=True):
        total = total + weight * stage
    return total


def step(
    f: Field, t: Floats, u: Any, h: Floats, first: Any
) -> tuple[Any, list[Any], Any]:
    """One step.

    Args:
        f: The field.
        t: (S,), where it begins.
        u: (S, N), there.
        h: (S,), sizes.
        first: k_1, (S, N).

    Returns:
        u_new, the seven stages, and the input of stage 6.
    """
    stages, size, before = [first], column(h, u), u
    for i in range(1, 7):
        inner = u + size * combined(A[i], stages)
        before = inner if i == 5 else before
        stages.append(f(inner, t + C[i] * h))
        u_new = inner
    return u_new, stages, before


def scaled_error(
    u: Any, u_new: Any, stages: Sequence[Any], h: Floats, tolerance: Tolerance
) -> Any:
    """Q of the head of this file, (S, N)."""
    e = column(h, u) * combined(EMBEDDED, stages)
    largest = library(u).maximum(abs(u), abs(u_new))
    return e / (tolerance.atol + tolerance.rtol * largest)


def rms(x: Any) -> Floats:
    """Root mean square of each slice, (S, N) -> (S,)."""
    value = (x * x).mean(-1)
    if not isinstance(value, np.ndarray):
        value = value.detach().cpu().numpy()
    return np.sqrt(value.astype(np.float64))


def first_size(
    f: Field, t: Floats, u: Any, first: Any, left: Floats, tolerance: Tolerance
) -> Floats:
    """A size to begin with, (S,), by Hairer's rule; it costs one evaluation.

    Args:
        f: The field.
        t: (S,).
        u: (S, N), at t.
        first: f there.
        left: (S,), time to the end.
        tolerance: Of the solver.
    """
    scale = tolerance.atol + tolerance.rtol * abs(u)
    d0, d1 = rms(u / scale), rms(first / scale)
    small = np.minimum(d0, d1) < 1e-5
    h0 = np.where(small, 1e-6, 0.01 * d0 / np.maximum(d1, 1e-300))
    after = f(u + column(h0, u) * first, t + h0)
    d2 = rms((after - first) / scale) / h0
    largest = np.maximum(d1, d2)
    flat = np.maximum(1e-6, 1e-3 * h0)
    h1 = np.where(largest <= 1e-15, flat, (0.01 / np.maximum(largest, 1e-300)) ** 0.2)
    return np.minimum(np.minimum(100 * h0, h1), left)


def solve(
    f: Field,
    u: Any,
    ends: tuple[float, float],
    tolerance: Tolerance,
    controlled: int | None = None,
    *,
    keep: bool = False,
) -> Solution:
    """Solve from one end to the other.

    Args:
        f: The field.
        u: (S, N), at the first end.
        ends: Times, the second one later.
        tolerance: What steps are held to.
        controlled: Numbers of a state whose error counts, from the first; None: all.
        keep: Whether the solution shall list where its steps began.

    Raises:
        RefusedError: If the ends are in no order, a tolerance is not above 0, the
            state is empty, f is not finite, or the steps do not suffice.
    """
    check(u, ends, tolerance)
    count, end = len(u), ends[1]
    t = np.full(count, float(ends[0]))
    k1 = finite(f(u, t), t)
    h = first_size(f, t, u, k1, end - t, tolerance)
    found = Solution(u, np.full(count, 2), np.zeros(count, np.int64))
    before, live = np.full(count, OLDEST), np.ones(count, bool)
    for _ in range(tolerance.most):
        h = np.where(live, np.minimum(h, end - t), 0.0)
        u_new, stages, _ = step(f, t, u, h, k1)
        finite(stages[-1], t)
        q = scaled_error(u, u_new, stages, h, tolerance)
        error = rms(q if controlled is None else q[:, :controlled])
        taken = live & (error <= 1)
        found.evaluations += 6 * live
        found.rejected += live & ~taken
        if keep:
            found.starts.append((t.copy(), u, taken, h.copy()))
        slow = np.maximum(error, 1e-30) ** BETA1
        paced = np.clip(slow / before**BETA2 / SAFETY, FASTEST, SLOWEST)
        by = np.where(taken, paced, np.minimum(SLOWEST, slow / SAFETY))
        last = taken & (h >= end - t)
        where = column(taken.astype(np.float64), u) > 0
        u = library(u).where(where, u_new, u)
        k1 = library(u).where(where, stages[-1], k1)
        t = np.where(last, end, np.where(taken, t + h, t))
        before = np.where(taken, np.maximum(error, OLDEST), before)
        live &= ~last
        if not live.any():
            found.state = u
            return found
        h = np.where(live, h / by, 1.0)
    k = int(np.flatnonzero(live)[0])
    said = f"{tolerance.most} steps, and t = {t[k]:g} with steps of {h[k]:g}"
    mend = "loosen the tolerance, or lower the learning rate"
    raise RefusedError("solver", "steps", said, f"to reach t = {end:g}", mend)


def check(u: Any, ends: tuple[float, float], tolerance: Tolerance) -> None:
    """Refuse what cannot be solved."""
    mend = "change the parameters"
    if not ends[1] > ends[0]:
        found, expected = f"{ends[0]:g} to {ends[1]:g}", "a later end"
        raise RefusedError("solver", "time", found, expected, mend)
    if not (tolerance.atol > 0 and tolerance.rtol > 0):
        found = f"atol {tolerance.atol:g}, rtol {tolerance.rtol:g}"
        raise RefusedError("solver", "tolerance", found, "both above 0", mend)
    if 0 in u.shape:
        expected = "at least one row"
        raise RefusedError("solver", "batch", tuple(u.shape), expected, mend)


def finite(k: Any, t: Floats) -> Any:
    """The stage; refuses one that is not finite."""
    if not np.isfinite(rms(k)).all():
        s = int(np.flatnonzero(~np.isfinite(rms(k)))[0])
        found, mend = f"NaN or infinity at t = {t[s]:g}", "lower the learning rate"
        raise RefusedError("solver", "f(u, t)", found, "finite numbers", mend)
    return k
