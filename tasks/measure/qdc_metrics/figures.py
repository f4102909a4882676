"""A measured figure with its interval, and the bootstrap behind all of them.

A resample draws as many episodes (or records) as there are, with repetition; it is kept
as the number of times each one was drawn, so that a figure of a resample is a product
with those counts. A resample holds each episode only 0.63 times, and what grows with
the number of different episodes, as coverage does, is smaller in it. So the draws are
shifted by their mean's distance from the figure itself before the ends are taken; for
means that changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.statistics.intervals import centred, draw_counts

Doubles = NDArray[np.float64]
Wholes = NDArray[np.int64]


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        value: None where it is unavailable, which is never the same as 0.
        low: Lower end of its interval; None with the value, or where there is none.
        high: Upper end.
        n: Episodes, steps or records it was computed from.
        seed: Of the generator that drew them and the resamples; -1 without draws.
        family: Of the survey: ``ground truth``, ``attribute``, ``model`` (quality);
            ``lexical``, ``attribute``, ``embedding`` (diversity); ``length``,
            ``structure``, ``model`` (complexity).
        sign: 1 where more of it is more of its letter, -1 where it is less.
        why: Why it is unavailable.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    seed: int
    family: str
    sign: int = 1
    why: str = ""

    def block(self) -> dict[str, Any]:
        """For metrics.json."""
        return {k: v for k, v in vars(self).items() if k != "why" or v}


def unavailable(family: str, why: str, sign: int = 1) -> Measure:
    """A figure nobody can give here."""
    return Measure(None, None, None, 0, -1, family, sign, why)


def blocks(
    letters: Mapping[str, Mapping[str, Measure]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Measures by letter and name, for metrics.json."""
    return {
        letter: {name: found.block() for name, found in measures.items()}
        for letter, measures in letters.items()
    }


class Bootstrap:
    """Resamples of n things, the same for every figure of them.

    Args:
        n: Episodes or records.
        resamples: R.
        confidence: Of the intervals, e.g. 0.95.
        seed: Of the generator.

    Attributes:
        counts: (R, n), how often each was drawn; rows sum to n.
    """

    def __init__(self, n: int, resamples: int, confidence: float, seed: int) -> None:
        self.n, self.confidence, self.seed = n, confidence, seed
        self.counts: Doubles = draw_counts(n, resamples, seed)

    def around(
        self,
        value: float,
        draws: Doubles,
        family: str,
        *,
        sign: int = 1,
        ends: tuple[float, float] = (-np.inf, np.inf),
        n: int | None = None,
    ) -> Measure:
        """A figure and its values in the resamples.

        Args:
            value: Of all episodes.
            draws: (R,), of the resamples.
            family: See :class:`Measure`.
            sign: See :class:`Measure`.
            ends: Least and greatest value there can be.
            n: What it was computed from; the number of episodes if left out.
        """
        interval = centred(value, draws, self.confidence)
        low, high = (float(np.clip(end, *ends)) for end in interval)
        counted = self.n if n is None else n
        return Measure(float(value), low, high, counted, self.seed, family, sign)

    def mean(self, values: Doubles, family: str, **options: Any) -> Measure:
        """Mean of one number an episode, (n,)."""
        draws = self.counts @ values / self.n
        return self.around(float(values.mean()), draws, family, **options)

    def ratio(
        self, above: Doubles, below: Doubles, family: str, **options: Any
    ) -> Measure:
        """Quotient of two sums over episodes, (n,) each; ``below`` is positive."""
        draws = (self.counts @ above) / (self.counts @ below)
        return self.around(above.sum() / below.sum(), draws, family, **options)

    def best(
        self, values: Doubles, share: float, family: str, **options: Any
    ) -> Measure:
        """Mean of the best share of episodes, at least one."""
        keep = max(1, round(share * self.n))
        order = np.argsort(-values, kind="stable")
        counts = self.counts[:, order]  # the best first
        before = np.cumsum(counts, axis=1) - counts
        kept = np.clip(keep - before, 0, counts)
        draws = kept @ values[order] / keep
        return self.around(values[order[:keep]].mean(), draws, family, **options)
