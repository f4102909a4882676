"""What each layer of a policy gets as input while the policy acts.

Calibration needs it: ranges, second moments and errors of a layer are those of its own
inputs, not of the observations.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nets.network import Network

# inputs and carry of a policy's step, (S, N, ...) each, by name
Situation = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]


class _EnoughError(Exception):
    """Everything that was asked for has been seen."""


def layer_inputs(
    policy: Network, situation: Situation, only: str | None = None
) -> dict[str, Tensor]:
    """Inputs of each layer at one step of the policy.

    Args:
        policy: Of any layers.
        situation: What the policy reads and carries at that step.
        only: Name of one of the layers: what runs after it is then left out.

    Returns:
        (S, rows, I) by the names of ``policy.linears()``; of a layer that runs several
        times a step all calls' rows after each other.
    """
    return inputs_during(policy, lambda: acted(policy, situation), only)


def inputs_during(
    policy: Network, call: Callable[[], Tensor], only: str | None = None
) -> dict[str, Tensor]:
    """Inputs of each layer while ``call`` does something with the policy's layers.

    Args:
        policy: Whose layers are watched.
        call: Runs the layers; what it returns is dropped.
        only: Name of one of the layers: what runs after it is then left out.

    Returns:
        (S, rows, I) by the names of ``policy.linears()``.
    """
    inputs: dict[str, list[Tensor]] = {name: [] for name in policy.linears()}

    def hook_of(name: str) -> Any:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs[name].append(arguments[0])
            if name == only and len(inputs[name]) == policy.calls:
                raise _EnoughError

        return hook

    handles = [
        layer.register_forward_pre_hook(hook_of(name))
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
    return {name: torch.cat(parts, 1) for name, parts in inputs.items() if parts}


def acted(policy: Network, situation: Situation) -> Tensor:
    """Actions (S, N, A), without noise unless the situation has some; or answers.

    Of a predictor the first of its outputs counts.
    """
    return policy.step(*situation)[0][next(iter(policy.outputs()))]
