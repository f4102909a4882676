"""Losses of several learners with their gradients, as ``fitting.fit`` takes them.

Each gives the seeds' losses, (S,), and the gradient of their sum by what is fitted.
On the processor ``loops.py`` does the same in one pass.

Shapes: S seeds, B batch, A action, E members of an ensemble.
"""

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.nets.fitting import Loss
from tasks.train.cores.actor_critic import FREE_LOG_STD_MAX, FREE_LOG_STD_MIN

TAIL = 0.01  # share of a batch, those rows with the largest errors; at least one row
TINY = 1e-30  # instead of a division by 0


def expectile_loss(q: Tensor, v: Tensor, expectile: float) -> Loss:
    """Expectile regression, mean |tau - 1(u < 0)| u^2 with u = Q - V.

    Its gradient by V is -2 |tau - 1(u < 0)| u / B.

    Args:
        q: (S, B).
        v: (S, B), which is fitted.
        expectile: tau, in (0, 1); 0.5 is the mean, towards 1 the maximum.
    """
    if compiled(q, v):
        each, slope = q.new_empty(len(q)), torch.empty_like(q)
        tau = numbers(expectile, len(q))
        run("expectile", q, v, tau, each, slope)
        return Loss(each, (slope,))
    u = q - v
    pull = (expectile - (u < 0).float()).abs() * u
    return Loss((pull * u).mean(-1), (pull * (-2 / u.shape[-1]),))


def bellman_fit(q: Tensor, target: Tensor, share: float = 1.0) -> tuple[Loss, Tensor]:
    """Sum over critics of the mean squared error, sum_i share mean (Q_i(s, a) - y)^2.

    Args:
        q: Q_i(s, a), (S, E, B), which is fitted.
        target: y, (S, B).
        share: E.g. 1 / E for the mean over critics.

    Returns:
        The loss, and the squared errors, (S, E, B).
    """
    if compiled(q, target):
        each = q.new_empty(len(q))
        errors, slope = torch.empty_like(q), torch.empty_like(q)
        run("squares", q, target, share, errors, each, slope)
        return Loss(each, (slope,)), errors
    error = q - target.unsqueeze(1)
    errors = error.square()
    each = errors.mean(-1).sum(-1) * share
    return Loss(each, (error * (2 * share / q.shape[-1]),)), errors


def square(action: Tensor, logged: Tensor) -> Loss:
    """Mean over rows of ||pi(s) - a||^2.

    Args:
        action: pi(s), (S, B, A), which is fitted.
        logged: a, (S, B, A).
    """
    error = action - logged
    return Loss(error.square().sum(-1).mean(-1), (error * (2 / error.shape[1]),))


def weighted_square(action: Tensor, logged: Tensor, weight: Tensor) -> Loss:
    """Mean over rows of weight ||pi(s) - a||^2.

    Args:
        action: pi(s), (S, B, A), which is fitted.
        logged: a, (S, B, A).
        weight: (S, B).
    """
    if compiled(action, logged, weight):
        each, slope = action.new_empty(len(action)), torch.empty_like(action)
        run("pulls", action, logged, weight, each, slope)
        return Loss(each, (slope,))
    error = action - logged
    pull = error * weight.unsqueeze(-1)
    each = (pull * error).sum(-1).mean(-1)
    return Loss(each, (pull * (2 / error.shape[1]),))


def weighted_likelihood(
    action: Tensor, logged: Tensor, weight: Tensor, log_std: Tensor
) -> Loss:
    """Mean over rows of -weight log N(a; pi(s), std^2), one std in every state.

    With z = (pi(s) - a) / std, -log N is sum_A z^2 / 2 + log std + log(2 pi) / 2; its
    gradient by pi(s) is z / std, by log std it is 1 - z^2.

    Args:
        action: pi(s), (S, B, A), which is fitted.
        logged: a, (S, B, A).
        weight: (S, B).
        log_std: (S, 1, A), which is fitted too; clipped to [-20, 2] here, beyond which
            it has no gradient.
    """
    log_std = log_std.detach()
    clipped = log_std.clamp(FREE_LOG_STD_MIN, FREE_LOG_STD_MAX)
    per_std, free = (-clipped).exp(), clipped == log_std
    if compiled(action, logged, weight, log_std):
        each, slope = action.new_empty(len(action)), torch.empty_like(action)
        by_log_std = torch.empty_like(clipped)
        places = action, logged, weight, clipped, per_std, each, slope, by_log_std
        run("likelihood", *places)
        return Loss(each, (slope, by_log_std * free))
    share = weight / weight.shape[-1]
    z = (action - logged) * per_std
    square = z.square()
    density = (0.5 * square + clipped + 0.5 * math.log(2 * math.pi)).sum(-1)
    by_mean = z * per_std * share.unsqueeze(-1)
    by_log_std = torch.einsum("sb,sba->sa", share, 1 - square).unsqueeze(1)
    return Loss((density * share).sum(-1), (by_mean, by_log_std * free))


def kurtosis(y: Tensor) -> Tensor:
    """Fourth central moment over the squared second: (S, B) -> (S,).

    It is 3 of a normal distribution and more where the critics' targets have heavy
    tails; 0 where all are equal.
    """
    squares = (y - y.mean(-1, keepdim=True)).square()
    return squares.square().mean(-1) / squares.mean(-1).square().clamp(min=TINY)


def tail_share(errors: Tensor) -> Tensor:
    """Share of the loss in the hundredth of the rows with most: (S, B) -> (S,)."""
    most = errors.topk(tail_rows(errors), sorted=False).values
    return most.sum(-1) / errors.sum(-1).clamp(min=TINY)


def tail_rows(errors: Tensor) -> int:
    """How many rows of (..., B) are the tail, at least one."""
    return max(1, round(TAIL * errors.shape[-1]))


def tails(y: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Kurtosis of targets (S, B), and tail share of errors (S, E, B), for the curves.

    Returns:
        (S,) each.
    """
    if not compiled(y, errors):
        return kurtosis(y), tail_share(errors.mean(1))
    heavy, share = y.new_empty(len(y)), y.new_empty(len(y))
    count = tail_rows(errors)
    run("tails", y, errors, count, heavy, share)
    return heavy, share


def compiled(*tensors: Tensor) -> bool:
    """Whether :mod:`tasks.train.cores.loops` can read all of them."""
    return all(x.is_cpu and x.dtype == torch.float32 for x in tensors)


def numbers(number: Any, slices: int) -> NDArray[np.float32]:
    """A number, or one a slice, as (S,)."""
    if isinstance(number, float):
        return np.full(slices, number, np.float32)
    return np.asarray(number, np.float32)


def run(name: str, *arguments: Any) -> None:
    """Call a loop with the arrays of some tensors, and with numbers as they are."""
    getattr(_loops(), name)(
        *[x.contiguous().numpy() if isinstance(x, Tensor) else x for x in arguments]
    )


@cache
def _loops() -> Any:
    from tasks.train.cores import loops

    return loops
