"""BC: behaviour cloning, the row every other learner is measured against.

    L = mean ||pi(s) - a||^2        of discrete actions: -mean log pi(a | s)

Reference implementation: CORL ``any_percent_bc.py`` with all trajectories. It takes the
mean over the dimensions of the action where ``cores/cloning.py`` takes the sum, as the
norm says; Adam does not see the difference.
"""

from dataclasses import dataclass

from tasks.train.cores.cloning import Cloning, CloningParams


@dataclass(frozen=True)
class BCParams(CloningParams):
    """Parameters of BC; units and ranges stand in params/train/bc.yaml."""


class BC(Cloning[BCParams]):
    """Repeats every logged action."""
