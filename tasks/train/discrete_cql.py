"""Discrete CQL: double Q-learning that keeps the actions not logged low.

Paper: Kumar, Zhou, Tucker & Levine 2020, "Conservative Q-Learning for Offline
Reinforcement Learning" (arXiv 2006.04779), CQL(H) with the sum over actions exact.
Reference implementation: d3rlpy ``DiscreteCQL`` (Huber loss, double target, its default
weight 1). The logsumexp goes over the allowed actions alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.params import Range
from tasks.train import Batch, Spaces
from tasks.train.cores.double_q import QLearner, QParams


@dataclass(frozen=True)
class DiscreteCQLParams(QParams):
    """See params/train/discrete_cql.yaml for units and ranges."""

    alpha: Annotated[float, Range(0)]


class DiscreteCQL(QLearner):
    """Huber TD error + alpha (logsumexp_a Q(s, a) - Q(s, a_logged))."""

    Parameters = DiscreteCQLParams

    def __init__(
        self,
        params: DiscreteCQLParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.alpha = params.alpha
        self.columns = ("legal", "next_legal") if spaces.masked else ()

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend the sum (eq. 4 with R = entropy); copy the target in time."""
        q = self.q.logits(batch.observation, batch.columns.get("legal"))
        td = self.td_loss(q, batch)
        logged = (q * batch.action).sum(-1)  # (S, B)
        gap = (q.logsumexp(-1) - logged).mean(-1)
        self.descend("q", td + self.alpha * gap)
        self.follow(step)
        return {
            "critic_loss": td.detach(),
            "gap": gap.detach(),
            "value": logged.detach().mean(-1),
        }
