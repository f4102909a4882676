"""Actions drawn from a tanh-gaussian policy, with their log likelihood.

It draws u ~ N(mean(s), std(s)^2) and acts tanh(u), so

    log pi(a | s) = log N(u; mean, std^2) - sum_i log(1 - tanh(u_i)^2).

Shapes: S seeds, B batch, O observation, A action.
"""

import math

import torch
from torch import Tensor, nn

from tasks.nets.feedforward import Feedforward


def sample_tanh_gaussian(
    policy: Feedforward, observation: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw an action from a tanh-gaussian policy, with its log likelihood.

    Args:
        policy: With a gaussian head.
        observation: (S, B, O), normalised.
        noise: (S, B, A), standard normal.

    Returns:
        Action in [-1, 1] (S, B, A) and log pi (S, B).
    """
    return squash(*gaussian(policy, observation), noise)


def gaussian(policy: Feedforward, observation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log deviation of a gaussian head, before tanh.

    Args:
        policy: With a gaussian head.
        observation: (S, B, O), normalised.

    Returns:
        (S, B, A) each, the log deviation clipped to the policy's range.
    """
    mean, log_std = policy.preactivation(observation).chunk(2, dim=-1)
    return mean, log_std.clamp(*policy.log_std_range)


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The action tanh(mean + std * noise) and its log likelihood.

    The correction for tanh is taken in its stable form,
    log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)).

    Args:
        mean: (..., A), before tanh.
        log_std: (..., A).
        noise: (..., A), standard normal.

    Returns:
        Action in [-1, 1] (..., A) and log pi (...).
    """
    u = mean + log_std.exp() * noise
    log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    correction = 2 * (math.log(2) - u - nn.functional.softplus(-2 * u))
    return torch.tanh(u), (log_normal - correction).sum(-1)
