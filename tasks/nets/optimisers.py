"""Optimisers, target networks and gradient clipping for stacked networks.

Seeds lie along the first axis of every tensor and share no parameter. Nothing here
knows what a network is trained for.

Shapes: S seeds, E members of an ensemble; a stack has S or S * E slices, seed by seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Adam

AnyModule = TypeVar("AnyModule", bound=nn.Module)

PREFIX = "optimiser/"  # of an optimiser's tensors in a checkpoint
TINY = 1e-6  # added to a norm before dividing by it, as torch's own clipping does


def adam(parameters: Iterable[nn.Parameter], rate: float) -> Adam:
    """Adam with the usual constants (betas 0.9 and 0.999, eps 1e-8), fused.

    Args:
        parameters: What it moves.
        rate: Learning rate, >= 0.
    """
    return Adam(parameters, lr=rate, fused=True)


def frozen_copy(module: AnyModule, fresh: AnyModule) -> AnyModule:
    """Turn a fresh network into a target network: same numbers, no gradients.

    Args:
        module: The network that is trained.
        fresh: Another one of the same shape, overwritten.

    Returns:
        ``fresh``.
    """
    fresh.load_state_dict(module.state_dict())
    return fresh.requires_grad_(False)


def polyak(target: nn.Module, source: nn.Module, rate: float) -> None:
    """Move a target network: target <- (1 - rate) target + rate source, in place.

    Args:
        target: Changed.
        source: The network that is trained.
        rate: Share of the new weights, in [0, 1]; 1 copies.
    """
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)


def clip_by_seed(
    gradients: Sequence[Tensor], largest: float, seeds: int
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Shorten each seed's gradient to a norm of at most ``largest``.

    Args:
        gradients: One tensor a parameter, (S, ...) or (S * E, ...).
        largest: Norm allowed, over all parameters of a seed, > 0.
        seeds: S.

    Returns:
        The gradients, and the norms they had before, (S,).
    """
    flat = [gradient.reshape(seeds, -1) for gradient in gradients]
    norm = torch.stack([g.square().sum(1) for g in flat]).sum(0).sqrt()  # (S,)
    factor = (largest / (norm + TINY)).clamp(max=1)[:, None]
    clipped = tuple(
        (part * factor).view(whole.shape)
        for part, whole in zip(flat, gradients, strict=True)
    )
    return clipped, norm


def optimiser_tensors(optimisers: Mapping[str, Adam]) -> dict[str, Tensor]:
    """All moments and step counts, named ``optimiser/<name>/<parameter>/<moment>``."""
    return {
        f"{PREFIX}{name}/{i}/{key}": value
        for name, optimiser in optimisers.items()
        for i, moments in optimiser.state_dict()["state"].items()
        for key, value in moments.items()
    }


def restore_optimisers(
    optimisers: Mapping[str, Adam], state: Mapping[str, Tensor]
) -> None:
    """Put back what :func:`optimiser_tensors` gave; other names are ignored.

    Args:
        optimisers: Of the same parameters, changed.
        state: Tensors by name.
    """
    for name, optimiser in optimisers.items():
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith(f"{PREFIX}{name}/"):
                _, _, i, moment = key.split("/")
                moments.setdefault(int(i), {})[moment] = value.clone()
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": moments, "param_groups": groups})
