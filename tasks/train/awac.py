"""AWAC: an actor-critic whose actor regresses on the logged actions that did better.

Paper: Nair, Gupta, Dalal & Levine 2020, "AWAC: Accelerating Online Reinforcement
Learning with Offline Datasets" (arXiv 2006.09359). With target critics Qbar, d for a
termination, a' ~ pi(. | s') and b ~ pi(. | s):

    y    = r + discount (1 - d) min_i Qbar_i(s', a')
    L_Q  = sum_i mean (Q_i(s, a) - y)^2
    A    = min_i Q_i(s, a) - min_i Q_i(s, b)
    L_pi = -mean min(exp(A / temperature), weight_max) log pi(a | s)

Then Qbar <- (1 - polyak) Qbar + polyak Q. Reference implementation: CORL ``awac.py``;
as there, the policy is a normal distribution without tanh whose deviation is the same
in every state, its samples are clipped to the bounds, and one sample b stands for the
value of a state.

Shapes: S seeds, B batch, O observation, A action, E = 2 critics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.nets.fitting import Loss, fit, outputs
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import (
    FREE_LOG_STD_MAX,
    FREE_LOG_STD_MIN,
    ActorCriticParams,
    Critics,
    actor,
)
from tasks.train.cores.losses import bellman_fit, weighted_likelihood


@dataclass(frozen=True)
class AWACParams(ActorCriticParams):
    """Parameters of AWAC; units and ranges stand in params/train/awac.yaml."""

    temperature: Annotated[Sweepable, Range(0, 1e9, open=True)]
    weight_max: Annotated[Sweepable, Range(0, 1e12, open=True)]


class AWAC(Learner[AWACParams]):
    """Twin critics of the policy itself, and a regression weighted by advantage."""

    noise = ("next", "current")

    def __init__(
        self, params: AWACParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.actor = actor(spaces, seeds, params.actor_hidden, head="clip")  # mean
        self.log_std = nn.Parameter(torch.zeros(len(seeds), 1, spaces.action))
        self.critics = Critics(spaces, seeds, params.critic_hidden)
        self.target = frozen_copy(
            self.critics, Critics(spaces, seeds, params.critic_hidden)
        )
        trained = [*self.actor.parameters(), self.log_std]
        self.optimisers = {
            "actor": adam(trained, params.actor_rate),
            "critics": adam(self.critics.parameters(), params.critic_rate),
        }

    @torch.no_grad()
    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step critics, then actor, then target critics."""
        del step
        p, o, a = self.params, batch.observation, batch.action
        mean = outputs(self.actor, batch.next_observation)
        a2 = self._sample(mean, batch.noise["next"])
        q2 = self.target(batch.next_observation, a2).amin(1)
        y = batch.reward + p.discount * (1 - batch.terminated) * q2  # (S, B)
        optimisers = self.optimisers
        critic_loss, q = self.critics.fit(
            optimisers["critics"], o, a, lambda q: bellman_fit(q, y)[0]
        )
        weight = y

        def regression(mean: Tensor) -> Loss:  # by the critics after their step
            nonlocal weight
            b = self._sample(mean, batch.noise["current"])
            advantage = self.critics(o, a).amin(1) - self.critics(o, b).amin(1)
            weight = (advantage / p.temperature).exp().clamp(max=p.weight_max)
            return weighted_likelihood(mean, a, weight, self.log_std)

        actor_loss, _ = fit(
            optimisers["actor"], self.actor, (o,), regression, [self.log_std]
        )
        polyak(self.target, self.critics, p.polyak)
        return {
            "critic_loss": critic_loss,
            "actor_loss": actor_loss,
            "value": q.mean((1, 2)),
            "weight": weight.mean(-1),
        }

    def _sample(self, mean: Tensor, noise: Tensor) -> Tensor:
        """Draw an action and clip it to the bounds: (S, B, A) each -> (S, B, A)."""
        log_std = self.log_std.clamp(FREE_LOG_STD_MIN, FREE_LOG_STD_MAX)
        return (mean + log_std.exp() * noise).clamp(-1, 1)

    def policy(self) -> Policy:
        """The mean, clipped to the bounds."""
        return self.actor
