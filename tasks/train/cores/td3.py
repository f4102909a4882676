"""The core of TD3 with imitation: twin critics, a delayed actor, target networks.

Paper: Fujimoto, van Hoof & Meger 2018, "Addressing Function Approximation Error in
Actor-Critic Methods" (arXiv 1802.09477). A method brings the actor's loss, and may
change the target's value.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from tasks.artifacts.params import Range
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import (
    ActorCriticParams,
    Critics,
    actor,
    adam,
    bellman_loss,
    frozen_copy,
    polyak,
)


@dataclass(frozen=True)
class DelayedParams(ActorCriticParams):
    """What every method on this core has; see params/train/td3_bc.yaml."""

    target_noise: Annotated[float, Range(0)]
    noise_clip: Annotated[float, Range(0)]
    policy_delay: Annotated[int, Range(1)]


class DelayedActor(Learner):
    """A method on this core defines :meth:`actor_loss`."""

    noise = ("target",)
    norm: ClassVar[str] = "none"  # of the critics, see ``layers.MLP``

    def __init__(
        self, params: DelayedParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.params = params
        hidden = params.critic_hidden
        self.actor = actor(spaces, seeds, params.actor_hidden)
        self.critics = Critics(spaces, seeds, hidden, norm=self.norm)
        self.target_actor = frozen_copy(
            self.actor, actor(spaces, seeds, params.actor_hidden)
        )
        self.target_critics = frozen_copy(
            self.critics, Critics(spaces, seeds, hidden, norm=self.norm)
        )
        self.optimisers = {
            "actor": adam(self.actor.parameters(), params.actor_rate),
            "critics": adam(self.critics.parameters(), params.critic_rate),
        }
        # what the last actor step reported, for the updates without one
        self.last_loss: Tensor
        self.value: Tensor
        self.register_buffer("last_loss", torch.zeros(len(seeds)))
        self.register_buffer("value", torch.zeros(len(seeds)))

    @abstractmethod
    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the actor descends, (S,), and the values it climbs, (S, B)."""

    def next_value(self, batch: Batch, action: Tensor) -> Tensor:
        """What the target takes for (s', a'): (S, B), a' (S, B, A) of the target."""
        return self.target_critics(batch.next_observation, action).amin(1)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Critics; every ``policy_delay``-th time also actor and both targets."""
        p = self.params
        with torch.no_grad():
            noise = batch.noise["target"] * p.target_noise
            noise = noise.clamp(-p.noise_clip, p.noise_clip)
            a = self.target_actor.squashed(batch.next_observation) + noise
            q = self.next_value(batch, a.clamp(-1, 1))
            y = batch.reward + p.discount * (1 - batch.terminated) * q  # (S, B)
        critic_loss = bellman_loss(self.critics(batch.observation, batch.action), y)
        self.descend("critics", critic_loss)
        if (step + 1) % p.policy_delay == 0:
            loss, values = self.actor_loss(batch)
            self.descend("actor", loss)
            polyak(self.target_critics, self.critics, p.polyak)
            polyak(self.target_actor, self.actor, p.polyak)
            self.last_loss.copy_(loss.detach())
            self.value.copy_(values.detach().mean(-1))
        return {
            "critic_loss": critic_loss.detach(),
            "actor_loss": self.last_loss.clone(),
            "value": self.value.clone(),
        }

    def policy(self) -> Policy:
        """The actor."""
        return self.actor
