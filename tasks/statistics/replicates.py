"""A mean over replicates with its t interval, and how many replicates an effect needs.

A replicate is what would be drawn anew if somebody repeated the experiment: a training
seed with its data, a mixture, a network. Episodes of one file are none: whoever has
several numbers a replicate takes their mean first.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from tasks.statistics.intervals import Floats, percentiles, t_interval

CONFIDENCE = 0.95
# standard errors between no effect and the smallest one worth seeing: 1.96 until the
# interval leaves zero out, 0.84 more for four times in five
REACH = 2.8
# replicates that Student's quantile costs beyond the normal one, which REACH is made of
STUDENT = 2


@dataclass(frozen=True)
class Mean:
    """A mean over replicates.

    Attributes:
        value: It.
        low: Lower end of its 95 % interval.
        high: Upper end.
        sd: Standard deviation of the replicates.
        n: How many there are, >= 2.
    """

    value: float
    low: float
    high: float
    sd: float
    n: int


def mean_of(values: Floats) -> Mean:
    """The mean of replicates with Student's interval.

    Args:
        values: (n,), one a replicate, n >= 2.

    Raises:
        ValueError: On fewer than two, which say nothing of their spread.
    """
    low, high = map(float, t_interval(values, CONFIDENCE))
    sd = float(values.std(ddof=1))
    return Mean(float(values.mean()), float(low), float(high), sd, len(values))


def needed(sd: float, smallest: float) -> int:
    """How many replicates show an effect in four of five repetitions, at least 2.

    That is (2.8 sd / smallest)^2, rounded up, and two more, since the deviation is
    estimated too.

    Args:
        sd: Standard deviation of replicates, >= 0.
        smallest: The smallest effect worth seeing, in the same unit, > 0.
    """
    return ceil((REACH * sd / smallest) ** 2) + STUDENT


def partial_slope(
    outcome: Floats, cause: Floats, other: Floats, *, draws: int, seed: int
) -> tuple[float, float, float]:
    """How the outcome changes with one cause while another is held, with an interval.

    A linear fit with both causes; the interval is that of the slope with the fit's
    residuals permuted. Source: ter Braak 1992, "Permutation versus bootstrap
    significance tests in multiple regression and ANOVA".

    Args:
        outcome: (n,), n >= 4.
        cause: (n,), whose slope is asked for.
        other: (n,), held.
        draws: Permutations.
        seed: Of the generator that draws them.

    Returns:
        The slope, and the ends of its 95 % interval.

    Raises:
        ValueError: If the two causes cannot be told apart.
    """
    design = np.column_stack([cause, other, np.ones(len(outcome))])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("causes that cannot be told apart")
    solve = np.linalg.pinv(design)
    fit = solve @ outcome
    rest = outcome - design @ fit
    generator = np.random.default_rng(seed)
    permuted = generator.permuted(np.tile(rest, (draws, 1)), axis=1)
    # residuals of a fit are smaller than the errors: by the degrees of freedom it took
    scale = np.sqrt(len(outcome) / (len(outcome) - design.shape[1]))
    low, high = percentiles(scale * (permuted @ solve[0]), CONFIDENCE)
    value = float(fit[0])
    return value, value - high, value - low
