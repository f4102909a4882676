"""SAC, the online learner that trains the behaviour policies.

Paper: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications"
(arXiv 1812.05905), with the learned temperature of its section 5. Reference
implementation of the usual details: CleanRL ``sac_continuous_action.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

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
    sample_tanh_gaussian,
)


@dataclass(frozen=True)
class SACParams(Params):
    """See params/train/sac.yaml for units and ranges."""

    actor_hidden: Annotated[tuple[int, ...], Range(1)]
    critic_hidden: Annotated[tuple[int, ...], Range(1)]
    discount: Annotated[float, Range(0, 1)]
    polyak: Annotated[float, Range(0, 1)]
    actor_rate: Annotated[float, Range(0, 1)]
    critic_rate: Annotated[float, Range(0, 1)]
    target_entropy_scale: Annotated[float, Range(0)]


class SAC(Learner):
    """Soft actor-critic with twin critics and a learned temperature."""

    Parameters = SACParams
    noise = ("next", "current")

    def __init__(
        self, params: SACParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.params = params
        self.actor = actor(spaces, seeds, params.actor_hidden, head="gaussian")
        self.critics = Critics(spaces, seeds, params.critic_hidden)
        self.target = frozen_copy(
            self.critics, Critics(spaces, seeds, params.critic_hidden)
        )
        self.log_temperature = nn.Parameter(torch.zeros(len(seeds)))
        self.optimisers = {
            "actor": adam(self.actor.parameters(), params.actor_rate),
            "critics": adam(self.critics.parameters(), params.critic_rate),
            "temperature": adam([self.log_temperature], params.critic_rate),
        }

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Critics, then actor, then temperature, then targets (eqs. 5-9, 18)."""
        del step
        p, o = self.params, batch.observation
        temperature = self.log_temperature.detach().exp()[:, None]  # (S, 1)
        with torch.no_grad():
            a, log_pi = sample_tanh_gaussian(
                self.actor, batch.next_observation, batch.noise["next"]
            )
            q = self.target(batch.next_observation, a).amin(1)  # (S, B)
            soft = q - temperature * log_pi
            y = batch.reward + p.discount * (1 - batch.terminated) * soft
        q = self.critics(o, batch.action)  # (S, E, B)
        critic_loss = bellman_loss(q, y)
        self.descend("critics", critic_loss)

        a, log_pi = sample_tanh_gaussian(self.actor, o, batch.noise["current"])
        actor_loss = (temperature * log_pi - self.critics(o, a).amin(1)).mean(-1)
        self.descend("actor", actor_loss)

        entropy = -log_pi.detach().mean(-1)  # (S,)
        goal = -p.target_entropy_scale * self.spaces.action
        self.descend("temperature", self.log_temperature.exp() * (entropy - goal))
        polyak(self.target, self.critics, p.polyak)
        return {
            "critic_loss": critic_loss.detach(),
            "actor_loss": actor_loss.detach(),
            "entropy": entropy,
            "value": q.detach().mean((1, 2)),
        }

    def policy(self) -> Policy:
        """The gaussian actor; its noise is an explicit input."""
        return self.actor
