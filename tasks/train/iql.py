"""IQL: implicit Q-learning, which never evaluates an action that was not logged.

Paper: Kostrikov, Nair & Levine 2021, "Offline Reinforcement Learning with Implicit
Q-Learning" (arXiv 2110.06169). Everything but eq. 5 is the core,
``cores/implicit_q.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.params import Range
from tasks.train import Spaces
from tasks.train.cores.implicit_q import ImplicitParams, ImplicitQ, expectile_loss


@dataclass(frozen=True)
class IQLParams(ImplicitParams):
    """See params/train/iql.yaml for units and ranges."""

    expectile: Annotated[float, Range(0, 1, open=True)]


class IQL(ImplicitQ):
    """The value is an expectile of Q over the logged actions."""

    Parameters = IQLParams
    actions = ("continuous", "discrete")

    def __init__(
        self, params: IQLParams, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.expectile = params.expectile

    def value_loss(self, q: Tensor, v: Tensor) -> Tensor:
        """Descend mean |tau - 1(u < 0)| u^2 with u = Q - V (eq. 5)."""
        return expectile_loss(q, v, self.expectile)
