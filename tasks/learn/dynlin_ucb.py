"""DynLin-UCB: hold an arm until the hidden state has settled, and learn from the end.

Paper: Mussi, Metelli, Restelli 2023, "Dynamical Linear Bandits" (ICML 2023, PMLR
202:25563); its authors' code is github.com/marcomussi/DLB. Epoch m = 1, 2, ... plays
one arm for

    H_m = 1 + floor(log m / log(1 / rho)) steps

and learns from the reward of the last, by the equations of ``cores/linear_bandit.py``
with c2. After H_m steps the state is within about 1/m of where the arm holds it, so
that reward is an almost unbiased sample of <h, u>; what is left sums to the term with
c2. With rho = 0 every epoch has one step, and it is LinUCB but for c2.

The first epoch has one step, as the paper's; in the authors' code it has two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, Range
from tasks.learn.cores.linear_bandit import Bounds, LinearBandit, LinearParams, epochs


@dataclass(frozen=True)
class DynLinUCBParams(LinearParams):
    """Units and ranges stand in params/learn/dynlin_ucb.yaml."""

    rho: Annotated[float | None, Range(0, 1, open=True)]
    wrong_rho: bool


class DynLinUCB(LinearBandit[DynLinUCBParams]):
    """An arm an epoch.

    Raises:
        RefusedError: If the rho it is told lies below the world's, with which none of
            its bounds holds, unless that is what shall be seen.
    """

    settles = True

    def told(self, system: Any) -> Bounds:
        """The world's numbers, but for a rho that the parameters give."""
        rho = self.params.rho
        if rho is not None and rho < system.rho and not self.params.wrong_rho:
            expected = f"at least the world's, {system.rho:.6g}, or wrong_rho: true"
            raise RefusedError(PARAMS, "learn.dynlin_ucb.rho", rho, expected, MEND)
        return Bounds.of(system, rho)

    def lengths(self) -> Iterator[int]:
        """H_1, H_2, ..."""
        return epochs(self.bounds.rho)
