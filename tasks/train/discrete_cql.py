"""Discrete CQL: double Q-learning that keeps the values of other actions low.

Paper: Kumar, Zhou, Tucker & Levine 2020, "Conservative Q-Learning for Offline
Reinforcement Learning" (arXiv 2006.04779), CQL(H), eq. 4, whose sum over actions is
exact here:

    L = L_TD + alpha mean (log sum_b exp Q(s, b) - Q(s, a))

L_TD is the Huber loss against the double target of ``cores/double_q.py``, and b goes
over the allowed actions alone. Reference implementation: d3rlpy ``DiscreteCQL`` (same
loss and target, its default weight 1).

Shapes: S seeds, B batch, A actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.train import Batch, Spaces
from tasks.train.cores.double_q import QLearner, QParams


@dataclass(frozen=True)
class DiscreteCQLParams(QParams):
    """Parameters; units and ranges stand in params/train/discrete_cql.yaml."""

    alpha: Annotated[Sweepable, Range(0, 1e9)]


class DiscreteCQL(QLearner[DiscreteCQLParams]):
    """Double Q-learning with a conservative penalty."""

    def __init__(
        self,
        params: DiscreteCQLParams,
        spaces: Spaces,
        seeds: Sequence[int],
        updates: int,
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.columns = ("legal", "next_legal") if spaces.masked else ()

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend error and penalty; renew the target network when it is time."""
        q = self.q.logits(batch.observation, batch.columns.get("legal"))
        td = self.td_loss(q, batch)
        logged = (q * batch.action).sum(-1)  # (S, B)
        gap = (q.logsumexp(-1) - logged).mean(-1)
        self.descend("q", td + self.params.alpha * gap)
        self.renew_target(step)
        return {
            "critic_loss": td.detach(),
            "gap": gap.detach(),
            "value": logged.detach().mean(-1),
        }
