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
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import Range
from tasks.train import Batch, Spaces
from tasks.train.cores.td3 import DelayedActor, DelayedParams

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions


@dataclass(frozen=True)
class ReBRACParams(DelayedParams):
    """See params/train/rebrac.yaml for units and ranges."""

    actor_penalty: Annotated[float, Range(0)]
    critic_penalty: Annotated[float, Range(0)]


class ReBRAC(DelayedActor):
    """Twin critics with LayerNorm, two squared-error leashes."""

    Parameters = ReBRACParams
    columns = ("next_action",)
    norm = "after"

    def __init__(
        self, params: ReBRACParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.leash = params

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

    def next_value(self, batch: Batch, action: Tensor) -> Tensor:
        """Smallest Q(s', a') - beta_c ||a' - logged a'||^2."""
        away = (action - batch.columns["next_action"]).square().sum(-1)  # (S, B)
        return super().next_value(batch, action) - self.leash.critic_penalty * away

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """beta_a mean ||pi(s) - a||^2 - lambda mean min Q(s, pi(s))."""
        pi = self.actor.squashed(batch.observation)  # (S, B, A)
        q = self.critics(batch.observation, pi).amin(1)  # (S, B)
        scale = 1 / q.detach().abs().mean(-1)  # (S,), lambda
        away = (pi - batch.action).square().sum(-1)
        return self.leash.actor_penalty * away.mean(-1) - scale * q.mean(-1), q
