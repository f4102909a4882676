"""One extra step from a point of a solved way, and what the solver would say of it.

    u_1, k_1, h   constants: a point of the way, f there, a fresh solver's first step
    k_2 .. k_7    with their gradients by theta

    error      R = h rms(q), q the step's scaled error
    stiffness  R = rms(k_7 - k_6) / rms(u_new - g_6) / 3.5068     g_6 the input of k_6

R is 0 where u_new equals g_6. The mean runs over all rows of a seed. The point is

    unbiased   at a time drawn evenly from the whole way; the state there is one step
               of the solver from where its own step began
    biased     where the solver began a step, drawn evenly from those

Shapes: S seeds, B batch, D numbers of a row's state; states are flat, (S, B * D).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.nets.tsit5 import (
    STABILITY,
    Floats,
    Solution,
    Tolerance,
    column,
    first_size,
    scaled_error,
    step,
)

Flat = Callable[[Any, Floats], Any]
TINY = 1e-12


def begun(way: Solution, seed: int) -> list[tuple[float, int]]:
    """Times at which a seed's solver began the steps it took, and in which round."""
    return [
        (float(t[seed]), i)
        for i, (t, _, taken, _) in enumerate(way.starts)
        if taken[seed]
    ]


def biased(way: Solution, draw: Floats) -> tuple[Floats, Tensor]:
    """A point where a step began, for each seed: times (S,) and states (S, N).

    Args:
        way: Solved, with its starts.
        draw: (S,), of [0, 1).
    """
    t, rounds = np.empty(len(draw)), []
    for seed, share in enumerate(draw):
        points = begun(way, seed)
        t[seed], at = points[int(share * len(points))]
        rounds.append(way.starts[at][1][seed])
    return t, torch.stack(rounds)


def unbiased(
    way: Solution, draw: Floats, end: float, field: Flat
) -> tuple[Floats, Tensor]:
    """A point at a time drawn evenly from 0 to the end: times (S,), states (S, N).

    Args:
        way: Solved, with its starts.
        draw: (S,), of [0, 1).
        end: Of the way.
        field: For the step from where the solver's own began.
    """
    t = draw * end
    begin, states = np.empty(len(draw)), []
    for seed, when in enumerate(t):
        begin[seed], at = max(p for p in begun(way, seed) if p[0] <= when)
        states.append(way.starts[at][1][seed])
    u = torch.stack(states)
    u_new, *_ = step(field, begin, u, t - begin, field(u, begin))
    return t, u_new


def probed(
    field: Flat,
    point: tuple[Floats, Tensor],
    end: float,
    tolerance: Tolerance,
    estimate: str,
) -> Tensor:
    """R of each seed, (S,), with its gradient by what the field depends on.

    Args:
        field: Flat.
        point: Times (S,) and states (S, N).
        end: Of the way.
        tolerance: Of the solver, which scales its error.
        estimate: ``error`` or ``stiffness``.
    """
    t, u = point[0], point[1].detach()
    with torch.no_grad():
        first = field(u, t)
        h = first_size(field, t, u, first, end - t, tolerance)
    return of_step(field, t, u, h, first, tolerance, estimate)


def of_step(
    field: Flat,
    t: Floats,
    u: Tensor,
    h: Floats,
    first: Tensor,
    tolerance: Tolerance,
    estimate: str,
) -> Tensor:
    """R of one step that is known, (S,)."""
    u_new, stages, before = step(field, t, u, h, first)
    if estimate == "stiffness":
        apart = _rms(u_new - before)
        ratio = _rms(stages[6] - stages[5]) / (apart + TINY) / STABILITY
        return torch.where(apart > 0, ratio, 0.0)
    q = scaled_error(u, u_new, stages, h, tolerance)
    return column(h, u)[:, 0] * _rms(q)


def _rms(x: Tensor) -> Tensor:
    """Root mean square (S,), whose gradient is finite at 0."""
    square = x.square().mean(-1)
    safe = torch.where(square > 0, square, 1.0)
    return torch.where(square > 0, safe.sqrt(), 0.0)
