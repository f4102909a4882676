"""IQL: implicit Q-learning, which never evaluates an action that was not logged.

Paper: Kostrikov, Nair & Levine 2021, "Offline Reinforcement Learning with Implicit
Q-Learning" (arXiv 2110.06169). With u = min_i Qbar_i(s, a) - V(s):

    L_V  = mean |tau - 1(u < 0)| u^2                                    eq. 5
    L_Q  = mean_i mean (r + discount (1 - d) V(s') - Q_i(s, a))^2       eq. 6
    L_pi = -mean min(exp(beta u), weight_max) log pi(a | s)             eq. 7

tau is ``expectile``. Eq. 5 is here, the others are in ``cores/implicit_q.py``.

Shapes: S seeds, B batch.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.fields import Sweepable
from tasks.artifacts.params import Range
from tasks.nets.fitting import Loss
from tasks.train.cores.implicit_q import ImplicitParams, ImplicitQ
from tasks.train.cores.losses import expectile_loss


@dataclass(frozen=True)
class IQLParams(ImplicitParams):
    """Parameters of IQL; units and ranges stand in params/train/iql.yaml."""

    expectile: Annotated[Sweepable, Range(0, 1, open=True)]


class IQL(ImplicitQ[IQLParams]):
    """The value is an expectile of Q over the logged actions."""

    actions = ("continuous", "discrete")

    def value_loss(self, q: Tensor, v: Tensor) -> Loss:
        """Expectile regression of V on Q (eq. 5), (S, B) each."""
        return expectile_loss(q, v, self.params.expectile)
