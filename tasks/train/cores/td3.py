"""The core of TD3 with imitation: twin critics, a delayed actor, target networks.

Paper: Fujimoto, van Hoof & Meger 2018, "Addressing Function Approximation Error in
Actor-Critic Methods" (arXiv 1802.09477), algorithm 1. With target networks Qbar, pibar
and d for a termination:

    a'  = clip(pibar(s') + clip(N(0, target_noise^2), -noise_clip, noise_clip), -1, 1)
    y   = r + discount (1 - d) min_i Qbar_i(s', a')
    L_Q = sum_i mean (Q_i(s, a) - y)^2

Every ``policy_delay``-th update the actor descends the method's own loss, and the
target networks move: target <- (1 - polyak) target + polyak network. A method on this
core brings the actor's loss, and may change the value of the target.

Shapes: S seeds, B batch, O observation, A action.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

import torch
from torch import Tensor

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.nets.fitting import Loss, fit, outputs
from tasks.nets.optimisers import adam, frozen_copy, polyak
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner, Spaces
from tasks.train.cores.actor_critic import (
    ActorCriticParams,
    Critics,
    actor,
)
from tasks.train.cores.losses import bellman_fit


@dataclass(frozen=True)
class DelayedParams(ActorCriticParams):
    """Parameters of every method on this core.

    Attributes:
        target_noise: Deviation of the noise on the target's action, half action ranges.
        noise_clip: Largest noise, half action ranges.
        policy_delay: Updates an actor step.
    """

    target_noise: Annotated[Sweepable, Range(0, 1e9)]
    noise_clip: Annotated[Sweepable, Range(0, 1e9)]
    policy_delay: Annotated[int, Range(1, 10**9)]


AnyParams = TypeVar("AnyParams", bound=DelayedParams)


class DelayedActor(Learner[AnyParams]):
    """TD3 whose method defines :meth:`actor_loss` and may replace :meth:`next_value`.

    Attributes:
        norm: Where the critics' hidden layers are normalised: ``none``, ``before`` or
            ``after`` the activation.
    """

    noise = ("target",)
    norm: ClassVar[str] = "none"

    def __init__(
        self, params: AnyParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
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
    def actor_loss(self, batch: Batch, pi: Tensor) -> tuple[Loss, Tensor]:
        """What the actor descends, and the values it climbs.

        Args:
            batch: Of this update.
            pi: pi(s), (S, B, A), by which the loss has its gradient.

        Returns:
            The loss, and values (S, B).
        """

    def next_value(self, batch: Batch, action: Tensor) -> Tensor:
        """The value of what comes next, min_i Qbar_i(s', a').

        Args:
            batch: For s'.
            action: a', (S, B, A).

        Returns:
            (S, B).
        """
        return self.target_critics(batch.next_observation, action).amin(1)

    @torch.no_grad()
    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Step the critics; every ``policy_delay``-th time also actor and targets."""
        p = self.params
        noise = batch.noise["target"] * p.target_noise
        noise = noise.clamp(-p.noise_clip, p.noise_clip)
        a = outputs(self.target_actor, batch.next_observation) + noise
        q = self.next_value(batch, a.clamp(-1, 1))
        y = batch.reward + p.discount * (1 - batch.terminated) * q  # (S, B)
        critic_loss, _ = self.critics.fit(
            self.optimisers["critics"],
            batch.observation,
            batch.action,
            lambda q: bellman_fit(q, y)[0],
        )
        if (step + 1) % p.policy_delay == 0:

            def actor_loss(pi: Tensor) -> Loss:
                loss, values = self.actor_loss(batch, pi)
                self.last_loss.copy_(loss.each)
                self.value.copy_(values.mean(-1))
                return loss

            fit(self.optimisers["actor"], self.actor, (batch.observation,), actor_loss)
            polyak(self.target_critics, self.critics, p.polyak)
            polyak(self.target_actor, self.actor, p.polyak)
        return {
            "critic_loss": critic_loss,
            "actor_loss": self.last_loss.clone(),
            "value": self.value.clone(),
        }

    def policy(self) -> Policy:
        """The trained actor."""
        return self.actor
