"""Interquartile mean and percentile bootstrap intervals.

Four things are resampled in this project, each with its own draws:

| function | what is drawn with repetition | for |
|---|---|---|
| ``interval`` | training seeds and episodes, or episodes alone | returns |
| ``resampled`` | logged episodes, by number | off-policy estimates |
| ``draw_counts`` | episodes or records, as counts of each | measures of a dataset |
| the caller itself | anything else | claims |

What becomes of the resampled values is the same everywhere: their middle part, by
:func:`percentiles`, or that part around the value itself, by :func:`centred`.

The bootstrap is a few lines of numpy because importing ``scipy.stats`` costs 1.4 s,
more than the rest of an evaluation's start-up together; the tests hold it against
``scipy.stats.bootstrap(method="percentile")``.

Source: Efron 1979, "Bootstrap Methods: Another Look at the Jackknife".
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


def percentiles(draws: Floats, confidence: float) -> tuple[float, float]:
    """The ends of the middle part of resampled values.

    Args:
        draws: (R,), a statistic of each resample.
        confidence: The share that lies in the middle, e.g. 0.95.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def centred(value: float, draws: Floats, confidence: float) -> tuple[float, float]:
    """As :func:`percentiles`, with the draws moved so that their mean is the value.

    A resample holds each thing only 0.63 times, and what grows with the number of
    different things, as coverage does, is smaller in it. For means this changes
    nothing.

    Args:
        value: The statistic of all there is.
        draws: (R,), of the resamples.
        confidence: E.g. 0.95.
    """
    return percentiles(draws - draws.mean() + value, confidence)


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
    values = []
    for begin in range(0, resamples, block):
        r = min(block, resamples - begin)
        rows = np.arange(s)[None, :, None]
        if seeds:
            rows = generator.integers(0, s, (r, s, 1))
        drawn = table[rows, generator.integers(0, e, (r, s, e))]
        values.append(statistic(drawn.reshape(r, s * e)))
    return percentiles(np.concatenate(values), confidence)


def resampled(
    statistic: Callable[[NDArray[np.int64]], Any], n: int, *, resamples: int, seed: int
) -> Floats:
    """A statistic of resampled things, which are named by their numbers.

    Args:
        statistic: Of numbers (n,) in 0..n-1, with repetition; one value, or a row of
            values (S,).
        n: How many things there are; a resample holds as many.
        resamples: R.
        seed: Of the generator that draws.

    Returns:
        (R,) or (R, S).
    """
    generator = np.random.default_rng(seed)
    draws = (generator.integers(0, n, n) for _ in range(resamples))
    return np.stack([np.asarray(statistic(draw)) for draw in draws])


def draw_counts(n: int, resamples: int, seed: int) -> Floats:
    """Resamples of n things as how often each one was drawn.

    A mean over a resample is then a product with its counts.

    Args:
        n: How many things there are; a resample holds as many.
        resamples: R.
        seed: Of the generator that draws.

    Returns:
        (R, n); rows sum to n.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(n, np.full(n, 1 / n), resamples)
    return drawn.astype(np.float64)
