"""Interquartile mean, t intervals over training seeds, bootstrap intervals of the rest.

What is said of a method is an interval over its training seeds. Few of them are too
few to resample: the percentile bootstrap of three covers 73 to 84 % where it says 95.
So their scores, one a seed, get Student's t interval (:func:`t_interval`), and the
difference of two methods Welch's (:func:`welch_interval`). It holds where seeds' scores
are about normal; a test simulates what it covers.

All else is resampled, each with its own draws:

| function | what is drawn with repetition | for |
|---|---|---|
| ``interval`` | episodes, of given files | returns |
| ``resampled`` | logged episodes, by number | off-policy estimates |
| ``draw_counts`` | episodes or records, as counts of each | measures of a dataset |
| the caller itself | anything else | claims |

What becomes of the resampled values is the same everywhere: their middle part, by
:func:`percentiles`, or that part around the value itself, by :func:`centred`.

Both are a few lines of numpy because importing ``scipy.stats`` costs 1.4 s, more than
the rest of an evaluation's start-up together; the tests hold them against scipy.

Sources: Student 1908, "The probable error of a mean"; Welch 1947, "The generalization
of Student's problem when several different population variances are involved"; Efron
1979, "Bootstrap Methods: Another Look at the Jackknife".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

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


def t_interval(values: Floats, confidence: float) -> tuple[float, float]:
    """Student's t interval of a mean.

    Args:
        values: (n,), one a replicate, n >= 2.
        confidence: E.g. 0.95.

    Raises:
        ValueError: On fewer than two values, which say nothing of their spread.
    """
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval of {n} values")
    middle = float(values.mean())
    half = _quantile(n - 1, confidence) * float(values.std(ddof=1)) / np.sqrt(n)
    return middle - half, middle + half


def welch_interval(a: Floats, b: Floats, confidence: float) -> tuple[float, float]:
    """Welch's t interval of mean(a) - mean(b), of replicates that share nothing.

    Args:
        a: (n,), n >= 2.
        b: (m,), m >= 2.
        confidence: E.g. 0.95.

    Raises:
        ValueError: On fewer than two values of one side.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"an interval of {len(a)} and {len(b)} values")
    one, other = (float(x.var(ddof=1)) / len(x) for x in (a, b))
    difference, variance = float(a.mean() - b.mean()), one + other
    if variance == 0:
        return difference, difference
    freedom = variance**2 / (one**2 / (len(a) - 1) + other**2 / (len(b) - 1))
    half = _quantile(freedom, confidence) * np.sqrt(variance)
    return difference - half, difference + half


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Places and weights of Gauss-Legendre quadrature over [-1, 1]."""
    return np.polynomial.legendre.leggauss(200)


def _quantile(freedom: float, confidence: float) -> float:
    """How many standard errors a t interval reaches to each side.

    With t = sqrt(nu) tan(x), Student's density is a multiple of cos(x)^(nu - 1), which
    is integrated over x, and the integral inverted by bisection. A test holds it
    against scipy, whose import would cost each evaluation half a second.

    Args:
        freedom: nu, degrees of freedom, >= 1.
        confidence: In (0, 1).
    """
    nodes, weights = _nodes()

    def integral(end: float) -> float:
        angles = end / 2 * (nodes + 1)
        return float(end / 2 * (weights * np.cos(angles) ** (freedom - 1)).sum())

    whole, low, high = integral(np.pi / 2), 0.0, np.pi / 2
    for _ in range(60):  # until it is a float64
        middle = (low + high) / 2
        inside = integral(middle) < confidence * whole
        low, high = (middle, high) if inside else (low, middle)
    return float(np.sqrt(freedom) * np.tan(high))


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
            covers less than it says, and :func:`t_interval` is the one to take.

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


@dataclass(frozen=True)
class Score:
    """A figure of several training seeds.

    Attributes:
        per_seed: (S,), the interquartile mean of each seed's episodes.
        middle: Their mean.
        low: Lower end of the interval.
        high: Upper end.
        of: What the interval speaks of: ``seeds``, i.e. of the method with other
            training seeds, or of the ``file`` on other starts, where there is but one.
    """

    per_seed: tuple[float, ...]
    middle: float
    low: float
    high: float
    of: Literal["seeds", "file"]


def score(
    table: Floats, *, confidence: float, resamples: int, resample_seed: int
) -> Score:
    """The mean over training seeds of each seed's interquartile mean, with interval.

    Args:
        table: (S, E), a row a training seed, of any unit.
        confidence: E.g. 0.95.
        resamples: Of the bootstrap over episodes that a single seed gets.
        resample_seed: Of its generator.
    """
    per_seed = iqm(table)
    if len(per_seed) > 1:
        low, high = t_interval(per_seed, confidence)
    else:
        generator = np.random.default_rng(resample_seed)
        low, high = interval(
            table,
            iqm,
            generator,
            resamples=resamples,
            confidence=confidence,
            seeds=False,
        )
    of: Literal["seeds", "file"] = "seeds" if len(per_seed) > 1 else "file"
    values = tuple(float(value) for value in per_seed)
    return Score(values, float(per_seed.mean()), low, high, of)
