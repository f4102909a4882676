"""Losses of several learners with their gradients, as ``fitting.fit`` takes them.

Each gives the seeds' losses, (S,), and the gradient of their sum by what is fitted.

Shapes: S seeds, B batch, A action, E members of an ensemble.
"""

import math

import torch
from torch import Tensor

from tasks.nets.fitting import Loss
from tasks.train.cores.actor_critic import FREE_LOG_STD_MAX, FREE_LOG_STD_MIN


def expectile_loss(q: Tensor, v: Tensor, expectile: float) -> Loss:
    """Expectile regression, mean |tau - 1(u < 0)| u^2 with u = Q - V.

    Its gradient by V is -2 |tau - 1(u < 0)| u / B.

    Args:
        q: (S, B).
        v: (S, B), which is fitted.
        expectile: tau, in (0, 1); 0.5 is the mean, towards 1 the maximum.
    """
    u = q - v
    pull = (expectile - (u < 0).float()).abs() * u
    return Loss((pull * u).mean(-1), (pull * (-2 / u.shape[-1]),))


def bellman_fit(q: Tensor, target: Tensor) -> Loss:
    """Sum over critics of the mean squared error, sum_i mean (Q_i(s, a) - y)^2.

    Args:
        q: Q_i(s, a), (S, E, B), which is fitted.
        target: y, (S, B).
    """
    error = q - target.unsqueeze(1)
    each = error.square().mean(-1).sum(-1)
    return Loss(each, (error * (2 / q.shape[-1]),))


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
    per_std, share = (-clipped).exp(), weight / weight.shape[-1]
    z = (action - logged) * per_std
    square = z.square()
    density = (0.5 * square + clipped + 0.5 * math.log(2 * math.pi)).sum(-1)
    by_mean = z * per_std * share.unsqueeze(-1)
    by_log_std = torch.einsum("sb,sba->sa", share, 1 - square).unsqueeze(1)
    by_log_std = by_log_std * (clipped == log_std)
    return Loss((density * share).sum(-1), (by_mean, by_log_std))
