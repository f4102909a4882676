"""Feed-forward policies of other layers, and what they should learn to answer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear


def rebuild(
    policy: Feedforward, layers: Sequence[nn.Module], head: str | None = None
) -> Feedforward:
    """A policy of other layers with this one's normaliser and bounds.

    Args:
        policy: Gives the normaliser, the bounds and what belongs to its head.
        layers: Of the new policy.
        head: Of the new policy, with ReLU between its layers; None keeps the old
            one's head and what lies between its layers.
    """
    bounds = torch.ones(policy.action_width)
    fresh = Feedforward(
        layers,
        head or policy.head,
        policy.observation_mean,
        policy.observation_std,
        -bounds,
        bounds,
        policy.log_std_range,
        policy.masked,
        "relu" if head else policy.activation,
        policy.observation_limit,
        None if head else policy.limit,
    )
    # copied, as going by low and high would not give the same bits again
    fresh.action_scale.copy_(policy.action_scale)
    fresh.action_offset.copy_(policy.action_offset)
    return fresh


def linears(policy: Feedforward) -> list[Linear]:
    """The layers of a policy that has float layers alone."""
    return [layer for layer in policy.layers if isinstance(layer, Linear)]


def readout(policy: Feedforward, x: Tensor) -> Tensor:
    """What a compressed policy should keep: the target of a regression.

    Args:
        policy: Any head.
        x: Normalised observations, (S, B, O).

    Returns:
        tanh head: the action in [-1, 1], (S, B, A). Clip head, and a limit before tanh:
        the same and a tenth of what is clipped, as a fit needs a gradient there.
        Gaussian head: the action of the mean, and the clipped log std beside it,
        (S, B, 2A). Categorical head: the log probabilities over all actions, legal or
        not, (S, B, A): a constant added to all logits changes nothing.
    """
    y = policy.preactivation(x)
    if policy.head == "categorical":
        return torch.log_softmax(y, dim=-1)
    if policy.head == "tanh":
        if policy.limit is None:
            return torch.tanh(y)
        z = y.clamp(-policy.limit, policy.limit)
        return torch.tanh(z) + 0.1 * (y - z)
    if policy.head == "clip":
        action = y.clamp(-1, 1)
        return action + 0.1 * (y - action)
    mean, log_std = y.chunk(2, dim=-1)
    log_std = log_std.clamp(*policy.log_std_range)
    return torch.cat([torch.tanh(mean), log_std], dim=-1)
