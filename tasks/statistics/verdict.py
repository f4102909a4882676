"""Verdicts: is a variant as good as its parent?

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
share of a tenth of the reference range, so that it is positive for a bad parent too.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.evaluate import Episodes
from tasks.statistics.intervals import interval, mean

FLOOR = 0.1  # of the reference range, the least a parent is taken to gain


@dataclass(frozen=True)
class Verdict:
    """A word and its figures, units of the world's return.

    Attributes:
        verdict: IMPROVED, HELD, SUSPECT, REGRESSED or UNDERPOWERED.
        difference: Mean of child - parent.
        low: Lower end of its interval.
        high: Upper end.
        margin: The loss that is tolerated, positive.
        by_seed: Mean difference of each training seed.
        regressed_seeds: Training seeds whose own interval lies below -margin.
        pairs: Episodes that were compared.
    """

    verdict: str
    difference: float
    low: float
    high: float
    margin: float
    by_seed: dict[int, float]
    regressed_seeds: list[int]
    pairs: int


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
    """The table above, for one interval."""
    if low > 0:
        return "IMPROVED"
    if low >= -margin:
        return "HELD"
    if high < -margin:
        return "REGRESSED"
    return "SUSPECT" if high < 0 else "UNDERPOWERED"


def judge(
    child: Episodes,
    parent: Episodes,
    margin: float,
    *,
    resamples: int,
    confidence: float,
    resample_seed: int,
) -> Verdict:
    """Compare two tables of the same seeds, episodes and starts.

    Args:
        child: Of the variant.
        parent: Of what it was made from.
        margin: See :func:`margin_of`.
        resamples: Of the bootstrap.
        confidence: Of the interval.
        resample_seed: Of the bootstrap's generator.

    Raises:
        RefusedError: If the tables cannot be paired.
    """
    difference = _paired(child, parent)  # (S, E)

    def spread(table: NDArray[np.float64]) -> tuple[float, float]:
        return interval(
            table,
            mean,
            np.random.default_rng(resample_seed),
            resamples=resamples,
            confidence=confidence,
            seeds=False,
        )

    low, high = spread(difference)
    found = word(low, high, margin)
    regressed = [
        seed
        for seed, row in zip(child.seeds, difference, strict=True)
        if word(*spread(row[None]), margin) == "REGRESSED"
    ]
    if regressed and found in ("IMPROVED", "HELD"):
        found = "SUSPECT"
    by_seed = dict(zip(child.seeds, map(float, difference.mean(axis=1)), strict=True))
    return Verdict(
        found,
        float(difference.mean()),
        low,
        high,
        margin,
        by_seed,
        regressed,
        difference.size,
    )


def _paired(child: Episodes, parent: Episodes) -> NDArray[np.float64]:
    """Differences (S, E) of rows that have the same seed, episode and start."""
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
