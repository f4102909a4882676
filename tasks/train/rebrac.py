"""ReBRAC: TD3+BC with a leash on actor and critic each, and normalised critics.

Paper: Tarasov, Kurenkov, Nikulin & Kolesnikov 2023, "Revisiting the Minimalist Approach
to Offline Reinforcement Learning" (arXiv 2305.09836). Reference implementation: CORL
``rebrac.py``. Not taken over: its initialisation (here torch's for every layer), its
LayerNorm epsilon (1e-6, here 1e-5), and that the target actor follows the actor one
step late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
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

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions


@dataclass(frozen=True)
class ReBRACParams(Params):
    """See params/train/rebrac.yaml for units and ranges."""

    actor_hidden: Annotated[tuple[int, ...], Range(1)]
    critic_hidden: Annotated[tuple[int, ...], Range(1)]
    discount: Annotated[float, Range(0, 1)]
    polyak: Annotated[float, Range(0, 1)]
    actor_rate: Annotated[float, Range(0, 1)]
    critic_rate: Annotated[float, Range(0, 1)]
    actor_penalty: Annotated[float, Range(0)]
    critic_penalty: Annotated[float, Range(0)]
    target_noise: Annotated[float, Range(0)]
    noise_clip: Annotated[float, Range(0)]
    policy_delay: Annotated[int, Range(1)]


class ReBRAC(Learner):
    """Twin critics with LayerNorm, a delayed actor, two squared-error leashes."""

    Parameters = ReBRACParams
    columns = ("next_action",)
    noise = ("target",)

    def __init__(
        self, params: ReBRACParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.params = params
        self.actor = actor(spaces, seeds, params.actor_hidden)
        self.critics = Critics(spaces, seeds, params.critic_hidden, norm="after")
        self.target_actor = frozen_copy(
            self.actor, actor(spaces, seeds, params.actor_hidden)
        )
        self.target_critics = frozen_copy(
            self.critics, Critics(spaces, seeds, params.critic_hidden, norm="after")
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

    def rows(self, data: "Transitions") -> NDArray[np.int64] | None:
        """Steps with a logged next action, and terminated ones, which need none.

        Raises:
            RefusedError: If there is none.
        """
        followed = np.append(data.episode[1:] == data.episode[:-1], [False])
        rows = np.flatnonzero(followed | (data.terminated > 0))
        if not len(rows):
            raise RefusedError(
                data.dataset_id,
                "episodes",
                "one truncated step each",
                "some step that another follows, for its logged next action",
                "log longer episodes, or train td3_bc",
            )
        return rows

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Critics; every ``policy_delay``-th time also actor and both targets."""
        p = self.params
        with torch.no_grad():
            noise = batch.noise["target"] * p.target_noise
            noise = noise.clamp(-p.noise_clip, p.noise_clip)
            a2 = self.target_actor.squashed(batch.next_observation) + noise
            a2 = a2.clamp(-1, 1)
            away = (a2 - batch.columns["next_action"]).square().sum(-1)  # (S, B)
            q = self.target_critics(batch.next_observation, a2).amin(1)
            q = q - p.critic_penalty * away
            y = batch.reward + p.discount * (1 - batch.terminated) * q
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
        """Leash minus lambda mean min Q(s, pi(s)), then the targets."""
        p = self.params
        pi = self.actor.squashed(batch.observation)  # (S, B, A)
        q = self.critics(batch.observation, pi).amin(1)  # (S, B)
        scale = 1 / q.detach().abs().mean(-1)  # (S,), lambda
        away = (pi - batch.action).square().sum(-1)
        loss = p.actor_penalty * away.mean(-1) - scale * q.mean(-1)
        self.descend("actor", loss)
        polyak(self.target_critics, self.critics, p.polyak)
        polyak(self.target_actor, self.actor, p.polyak)
        self.actor_loss.copy_(loss.detach())
        self.value.copy_(q.detach().mean(-1))

    def policy(self) -> Policy:
        """The actor."""
        return self.actor
