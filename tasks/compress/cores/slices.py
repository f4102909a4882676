"""Policies taken apart, seed by seed, and put together again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear
from tasks.nets.policy import Policy, stack, take

__all__ = [
    "acted",
    "layer_inputs",
    "linears",
    "readout",
    "rebuild",
    "stack",
    "take",
    "watched",
]

Situation = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]


class _EnoughError(Exception):
    """Everything that was asked for has been seen."""


def layer_inputs(
    policy: Policy, situation: Situation, only: str | None = None
) -> dict[str, Tensor]:
    """What each of a policy's layers gets to see, (S, rows, I), by its name.

    Of a layer that runs several times a step, all calls' rows after each other.

    Args:
        policy: Of any layers.
        situation: Inputs and carry of :meth:`Policy.step`, without the axis [S].
        only: Name of one of the layers: what runs after it is then left out.
    """
    return watched(policy, lambda: acted(policy, situation), only)


def watched(
    policy: Policy, call: Callable[[], Tensor], only: str | None = None
) -> dict[str, Tensor]:
    """As :func:`layer_inputs`, of whatever ``call`` does with the policy's layers."""
    seen: dict[str, list[Tensor]] = {name: [] for name in policy.linears()}

    def watch(name: str) -> Any:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen[name].append(given[0])
            if name == only and len(seen[name]) == policy.calls:
                raise _EnoughError

        return hook

    handles = [
        layer.register_forward_pre_hook(watch(name))
        for name, layer in policy.linears().items()
        if only in (None, name)
    ]
    try:
        call()
    except _EnoughError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts, 1) for name, parts in seen.items() if parts}


def acted(policy: Policy, situation: Situation) -> Tensor:
    """Actions (S, N, A); without noise, unless the situation has some."""
    given, carried = (
        {name: x.expand(policy.seeds, *x.shape) for name, x in side.items()}
        for side in situation
    )
    return policy.step(given, carried)[0]["action"]


def rebuild(
    policy: Feedforward, layers: Sequence[nn.Module], head: str | None = None
) -> Feedforward:
    """A policy of other layers with this one's normaliser, bounds and, maybe, head."""
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
    )
    # copied, as going by low and high would not give the same bits again
    fresh.action_scale.copy_(policy.action_scale)
    fresh.action_offset.copy_(policy.action_offset)
    return fresh


def linears(policy: Feedforward) -> list[Linear]:
    """The layers of a policy that has float layers alone."""
    return [layer for layer in policy.layers if isinstance(layer, Linear)]


def readout(policy: Feedforward, x: Tensor) -> Tensor:
    """What a compressed policy should keep, from normalised observations (S, B, O).

    Args:
        policy: Any head.
        x: Normalised observations.

    Returns:
        tanh head: the action in [-1, 1], (S, B, A). Clip head: the same and a tenth of
        what is clipped, as a fit needs a gradient there. Gaussian head: the action of
        the mean, and the clipped log std beside it, (S, B, 2A). Categorical head: the
        log probabilities over all actions, legal or not, (S, B, A): a constant added to
        all logits changes nothing.
    """
    y = policy.preactivation(x)
    if policy.head == "categorical":
        return torch.log_softmax(y, dim=-1)
    if policy.head == "tanh":
        return torch.tanh(y)
    if policy.head == "clip":
        action = y.clamp(-1, 1)
        return action + 0.1 * (y - action)
    mean, log_std = y.chunk(2, dim=-1)
    log_std = log_std.clamp(*policy.log_std_range)
    return torch.cat([torch.tanh(mean), log_std], dim=-1)
