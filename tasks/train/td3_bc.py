"""TD3+BC: TD3 whose actor is held to the logged actions.

Paper: Fujimoto & Gu 2021, "A Minimalist Approach to Offline Reinforcement Learning"
(arXiv 2106.06860). Reference implementation: CORL ``td3_bc.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.params import Range
from tasks.train import Batch, Spaces
from tasks.train.cores.td3 import DelayedActor, DelayedParams


@dataclass(frozen=True)
class TD3BCParams(DelayedParams):
    """See params/train/td3_bc.yaml for units and ranges."""

    alpha: Annotated[float, Range(0)]


class TD3BC(DelayedActor):
    """The actor climbs Q_1 on a squared-error leash."""

    Parameters = TD3BCParams

    def __init__(
        self, params: TD3BCParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.alpha = params.alpha

    def actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """-lambda mean Q_1(s, pi(s)) + mean (pi(s) - a)^2."""
        pi = self.actor.squashed(batch.observation)  # (S, B, A)
        q = self.critics.first(batch.observation, pi)  # (S, B)
        scale = self.alpha / q.detach().abs().mean(-1)  # (S,), lambda
        imitation = (pi - batch.action).square().mean((1, 2))
        return imitation - scale * q.mean(-1), q
