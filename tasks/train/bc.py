"""BC: behaviour cloning, the row every other learner is measured against.

Reference implementation: CORL ``any_percent_bc.py`` with all trajectories. It takes the
mean over action dimensions where the core, ``cores/cloning.py``, takes the sum, as the
norm says; Adam does not see the difference.
"""

from dataclasses import dataclass

from tasks.train.cores.cloning import Cloning, CloningParams


@dataclass(frozen=True)
class BCParams(CloningParams):
    """See params/train/bc.yaml for units and ranges."""


class BC(Cloning):
    """Repeats every logged action."""

    Parameters = BCParams
