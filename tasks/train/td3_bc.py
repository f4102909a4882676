"""TD3+BC: TD3 whose actor is held to the logged actions.

Paper: Fujimoto & Gu 2021, "A Minimalist Approach to Offline Reinforcement Learning"
(arXiv 2106.06860). Reference implementation: CORL ``td3_bc.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from tasks.artifacts.params import Params, Range
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train._core import (
    Critics,
    actor,
    adam,
    bellman_loss,
    frozen_copy,
    polyak,
)


@dataclass(frozen=True)
class TD3BCParams(Params):
    """See params/train/td3_bc.yaml for units and ranges."""

    actor_hidden: Annotated[tuple[int, ...], Range(1)]
    critic_hidden: Annotated[tuple[int, ...], Range(1)]
    discount: Annotated[float, Range(0, 1)]
    polyak: Annotated[float, Range(0, 1)]
    actor_rate: Annotated[float, Range(0, 1)]
    critic_rate: Annotated[float, Range(0, 1)]
    alpha: Annotated[float, Range(0)]
    target_noise: Annotated[float, Range(0)]
    noise_clip: Annotated[float, Range(0)]
    policy_delay: Annotated[int, Range(1)]


class TD3BC(Learner):
    """Twin critics, a delayed deterministic actor, and a squared-error leash."""

    Parameters = TD3BCParams
    noise = ("target",)

    def __init__(
        self, params: TD3BCParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.params = params
        self.actor = actor(spaces, seeds, params.actor_hidden)
        self.critics = Critics(spaces, seeds, params.critic_hidden)
        self.target_actor = frozen_copy(
            self.actor, actor(spaces, seeds, params.actor_hidden)
        )
        self.target_critics = frozen_copy(
            self.critics, Critics(spaces, seeds, params.critic_hidden)
        )
        self.optimisers = {
            "actor": adam(self.actor.parameters(), params.actor_rate),
            "critics": adam(self.critics.parameters(), params.critic_rate),
        }
        # what the last actor step reported, for the updates without one
        self.actor_loss: Tensor
        self.value: Tensor
        self.register_buffer("actor_loss", torch.zeros(len(seeds)))
        self.register_buffer("value", torch.zeros(len(seeds)))

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Critics; every ``policy_delay``-th time also actor and both targets."""
        p = self.params
        with torch.no_grad():
            noise = batch.noise["target"] * p.target_noise
            noise = noise.clamp(-p.noise_clip, p.noise_clip)
            a = self.target_actor.squashed(batch.next_observation) + noise
            q = self.target_critics(batch.next_observation, a.clamp(-1, 1)).amin(1)
            y = batch.reward + p.discount * (1 - batch.terminated) * q  # (S, B)
        critic_loss = bellman_loss(self.critics(batch.observation, batch.action), y)
        self.descend("critics", critic_loss)
        if (step + 1) % p.policy_delay == 0:
            self._improve(batch)
        return {
            "critic_loss": critic_loss.detach(),
            "actor_loss": self.actor_loss.clone(),
            "value": self.value.clone(),
        }

    def _improve(self, batch: Batch) -> None:
        """-lambda mean Q_1(s, pi(s)) + mean (pi(s) - a)^2, then the targets."""
        p = self.params
        pi = self.actor.squashed(batch.observation)  # (S, B, A)
        q = self.critics.first(batch.observation, pi)  # (S, B)
        scale = p.alpha / q.detach().abs().mean(-1)  # (S,), lambda
        imitation = (pi - batch.action).square().mean((1, 2))
        loss = imitation - scale * q.mean(-1)
        self.descend("actor", loss)
        polyak(self.target_critics, self.critics, p.polyak)
        polyak(self.target_actor, self.actor, p.polyak)
        self.actor_loss.copy_(loss.detach())
        self.value.copy_(q.detach().mean(-1))

    def policy(self) -> Policy:
        """The actor."""
        return self.actor
