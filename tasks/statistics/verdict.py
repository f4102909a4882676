"""Verdicts: are the files of a policy as good as those they are compared with?

Both played the same starts, so what is judged is the difference child - parent, episode
by episode. Its mean counts, not its interquartile mean, which would hide that a variant
falls in every tenth episode. The interval of that mean is a bootstrap over episodes
within each seed: a verdict is about these very files on other starts, not about other
training seeds. With margin m, and the interval low..high:

| verdict | when | in words |
|---|---|---|
| IMPROVED | 0 < low | better |
| HELD | -m <= low <= 0 | not worse by more than the margin |
| REGRESSED | high < -m | worse by more than the margin |
| SUSPECT | low < -m <= high < 0 | worse, by more than the margin or not |
| UNDERPOWERED | low < -m, 0 <= high | more episodes are needed |

A mean over seeds can hide one bad file. So where it says IMPROVED or HELD, but a single
seed's own interval says REGRESSED, the verdict is SUSPECT and names that seed.

The margin is a share of what the parent gains over the random policy, and at least that
share of a tenth of the reference range, so that it is positive for a bad parent too:

    m = share * max(mean(parent) - ref_min, FLOOR * (ref_max - ref_min))

The share, and how intervals are drawn, are parameters of the evaluation
(``evaluate.returns``); report and comparison read them there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.statistics.intervals import interval, mean
from tasks.statistics.rule import VerdictParams

FLOOR = 0.1  # of the reference range, the least a parent is taken to gain
WORDS = ("REGRESSED", "SUSPECT", "UNDERPOWERED", "IMPROVED", "HELD")  # look at first
GOOD = ("HELD", "IMPROVED")  # as good as the parent, or better


@dataclass(frozen=True)
class Verdict:
    """A word and its figures, in units of the world's return or in scores.

    Attributes:
        word: IMPROVED, HELD, SUSPECT, REGRESSED or UNDERPOWERED.
        difference: Mean of child - parent.
        low: Lower end of its interval.
        high: Upper end.
        margin: The loss that is tolerated, positive.
        regressed_seeds: Training seeds whose own interval lies below -margin.
    """

    word: str
    difference: float
    low: float
    high: float
    margin: float
    regressed_seeds: tuple[int, ...]

    def scaled(self, unit: float) -> Self:
        """The same with all figures times a positive number."""
        return replace(
            self,
            difference=self.difference * unit,
            low=self.low * unit,
            high=self.high * unit,
            margin=self.margin * unit,
        )


def margin_of(share: float, parent: float, ref_min: float, ref_max: float) -> float:
    """The tolerated loss.

    Args:
        share: Of what the parent gains over random, e.g. 0.05.
        parent: The parent's mean return.
        ref_min: Mean return of the random policy.
        ref_max: Mean return of the best behaviour policy.
    """
    return share * max(parent - ref_min, FLOOR * (ref_max - ref_min))


def word(low: float, high: float, margin: float) -> str:
    """The verdict on one interval.

    Args:
        low: Lower end of the interval of the mean difference.
        high: Upper end.
        margin: The loss that is tolerated, positive.
    """
    if low > 0:
        return "IMPROVED"
    if low >= -margin:
        return "HELD"
    if high < -margin:
        return "REGRESSED"
    return "SUSPECT" if high < 0 else "UNDERPOWERED"


def judge_scores(
    child: Episodes, parent: Episodes, world: Mapping[str, Any], params: VerdictParams
) -> Verdict:
    """A verdict whose figures are normalised scores: 0 random, 100 best behaviour.

    Args:
        child: What is judged.
        parent: What it is judged against.
        world: Of both: ``ref_min`` and ``ref_max``.
        params: The rule.

    Raises:
        RefusedError: If the two did not play the same starts.
    """
    low, high = float(world["ref_min"]), float(world["ref_max"])
    margin = margin_of(params.margin, float(parent.returns.mean()), low, high)
    return judge(child, parent, margin, params).scaled(100.0 / (high - low))


def judge(
    child: Episodes, parent: Episodes, margin: float, params: VerdictParams
) -> Verdict:
    """Compare two tables of the same seeds, episodes and starts.

    Args:
        child: What is judged.
        parent: What it is judged against.
        margin: The loss that is tolerated, units of the world's return.
        params: How intervals are drawn.

    Raises:
        RefusedError: If the tables cannot be paired.
    """
    difference = paired(child, parent)  # (S, E)

    def spread(table: NDArray[np.float64]) -> tuple[float, float]:
        return interval(
            table,
            mean,
            np.random.default_rng(params.resample_seed),
            resamples=params.resamples,
            confidence=params.confidence,
            seeds=False,
        )

    low, high = spread(difference)
    regressed = tuple(
        seed
        for seed, row in zip(child.seeds, difference, strict=True)
        if word(*spread(row[None]), margin) == "REGRESSED"
    )
    overall = word(low, high, margin)
    if regressed and overall in GOOD:
        overall = "SUSPECT"
    return Verdict(overall, float(difference.mean()), low, high, margin, regressed)


def paired(child: Episodes, parent: Episodes) -> NDArray[np.float64]:
    """Differences (S, E) of rows that have the same seed, episode and start.

    Raises:
        RefusedError: If the two tables have other seeds, episodes or starts.
    """
    for name in ("seed", "episode", "start_seed"):
        ours, theirs = getattr(child, name), getattr(parent, name)
        if not np.array_equal(ours, theirs):
            raise RefusedError(
                Path("episodes.parquet"),
                name,
                f"another list ({len(ours)} rows)",
                f"the parent's ({len(theirs)} rows)",
                "evaluate both with the same parameters: dvc repro",
            )
    return child.table() - parent.table()
