"""Figures: means over replicates with their intervals, and numbers without chance."""

import numpy as np

from tasks.claims import Figure
from tasks.statistics.intervals import Floats
from tasks.statistics.replicates import mean_of

SEEDS = "training seeds"


def of_replicates(
    name: str, values: Floats, unit: str = "score", of: str = SEEDS
) -> Figure:
    """The mean over replicates with its t interval.

    A difference of two arms is given as the differences of their replicates, which are
    paired by what they share: the seed, the data, the mixture.

    Args:
        name: What was measured of whom.
        values: (n,), one a replicate, n >= 2.
        unit: Of them.
        of: What the replicates are.

    Raises:
        ValueError: On fewer than two replicates.
    """
    mean = mean_of(np.asarray(values, np.float64))
    return Figure(name, mean.value, mean.low, mean.high, unit, of, mean.n, mean.sd)


def exact(name: str, value: float, unit: str, why: str) -> Figure:
    """A number without chance in it.

    Args:
        name: What was computed of what.
        value: It.
        unit: Of it.
        why: Why no chance is in it, e.g. ``counted in the file``.
    """
    value = float(value)
    return Figure(name, value, value, value, unit, exact=why)
