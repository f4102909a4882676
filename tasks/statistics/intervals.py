"""Interquartile mean and bootstrap intervals over seeds x episodes.

The bootstrap is a few lines of numpy because importing ``scipy.stats`` costs 1.4 s,
more than the rest of an evaluation's start-up together; the tests hold it against
``scipy.stats.bootstrap(method="percentile")``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Any]  # (..., n) -> (...)

BLOCK = 1_000_000  # numbers drawn at once; bounds memory, does not change results


def iqm(values: Floats) -> Any:
    """Interquartile mean over the last axis: a quarter is cut at each end.

    Source: Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice".
    """
    n = values.shape[-1]
    cut = n // 4
    ends = sorted({cut, n - cut - 1})
    return np.partition(values, ends, axis=-1)[..., cut : n - cut].mean(axis=-1)


def mean(values: Floats) -> Any:
    """Mean over the last axis."""
    return values.mean(axis=-1)


def interval(
    table: Floats,
    statistic: Statistic,
    generator: np.random.Generator,
    *,
    resamples: int,
    confidence: float,
    seeds: bool,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of a table.

    Args:
        table: (S, E), a row a training seed.
        statistic: Of the flattened table.
        generator: Draws the resamples.
        resamples: How many.
        confidence: E.g. 0.95.
        seeds: What is random. True: seeds and episodes (hierarchical: first seeds,
            then episodes of each), for what the method would give with other seeds.
            False: episodes alone, each seed keeps its share, for these very files.
            Few seeds tell little of others: with three, the hierarchical interval
            covers less than it says.

    Returns:
        Lower and upper end.
    """
    s, e = table.shape
    block = max(1, BLOCK // table.size)
    found = []
    for begin in range(0, resamples, block):
        r = min(block, resamples - begin)
        rows = np.arange(s)[None, :, None]
        if seeds:
            rows = generator.integers(0, s, (r, s, 1))
        drawn = table[rows, generator.integers(0, e, (r, s, e))]
        found.append(statistic(drawn.reshape(r, s * e)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return float(low), float(high)
