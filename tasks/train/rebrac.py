"""ReBRAC: TD3+BC with a penalty on actor and critic each, and normalised critics.

Paper: Tarasov, Kurenkov, Nikulin & Kolesnikov 2023, "Revisiting the Minimalist Approach
to Offline Reinforcement Learning" (arXiv 2305.09836). With the target policy's action
a' = pibar(s') + clipped noise and the logged next action b':

    y    = r + discount (1 - d) (min_i Qbar_i(s', a') - critic_penalty ||a' - b'||^2)
    L_pi = actor_penalty mean ||pi(s) - a||^2 - lambda mean min_i Q_i(s, pi(s))
    lambda = 1 / mean |min_i Q_i(s, pi(s))|             no gradient

Critics, delay and targets are in ``cores/td3.py``. Reference implementation: CORL
``rebrac.py``; as there, observations are not normalised. Not taken over: its first
weights, which are EDAC's (biases of hidden layers 0.1, last layer of the critics
U(-3e-3, 3e-3) and of the actor U(-1e-3, 1e-3); here torch's for every layer), its
LayerNorm epsilon (1e-6, here 1e-5), and that the target actor follows the actor one
step late.

Shapes: S seeds, B batch, A action.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import OneOf, Range
from tasks.nets.fitting import Loss
from tasks.train import Batch, Spaces
from tasks.train.cores.td3 import DelayedActor, DelayedParams

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions


@dataclass(frozen=True)
class ReBRACParams(DelayedParams):
    """Parameters of ReBRAC; units and ranges stand in params/train/rebrac.yaml."""

    actor_penalty: Annotated[Sweepable, Range(0, 1e9)]
    critic_penalty: Annotated[Sweepable, Range(0, 1e9)]
    normalise: Annotated[str, OneOf(("none", "observations"))]


class ReBRAC(DelayedActor[ReBRACParams]):
    """Twin critics with LayerNorm, and two squared-error penalties."""

    columns = ("next_action",)
    norm = "after"

    def __init__(
        self, params: ReBRACParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces.normalised(params.normalise), seeds, updates)

    def rows(self, data: "Transitions") -> NDArray[np.int64] | None:
        """Numbers of the steps with a logged next action, and of terminated ones.

        A terminated step needs no next action.

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
        """Value min_i Qbar_i(s', a') - critic_penalty ||a' - b'||^2, (S, B)."""
        away = (action - batch.columns["next_action"]).square().sum(-1)  # (S, B)
        return super().next_value(batch, action) - self.params.critic_penalty * away

    def actor_loss(self, batch: Batch, pi: Tensor) -> tuple[Loss, Tensor]:
        """The loss L_pi with its gradient by pi(s), and min_i Q_i(s, pi(s)) (S, B)."""
        o, rows = batch.observation, pi.shape[1]
        q, q_by_pi = self.critics.climb(o, pi, lambda members: members.amin(1))
        scale = 1 / q.abs().mean(-1)  # (S,), lambda
        error = pi - batch.action  # (S, B, A)
        away = self.params.actor_penalty * error.square().sum(-1).mean(-1)
        slope = self.params.actor_penalty * error * (2 / rows)
        slope = slope - q_by_pi * (scale / rows)[:, None, None]
        return Loss(away - scale * q.mean(-1), (slope,)), q
