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

Where a compressor's parent itself falls, any small change of an action decides an
episode, and a difference says little of what the compressor did: rounding to 4 bits has
gained where rounding to 8 has lost. The word is then BRITTLE PARENT, whatever the
interval (:func:`of_compressor`). A parent falls where at least :data:`FALLS` of its
episodes terminate and, among those, the longer ones return more. Where an episode ends
because the goal is reached, the shorter ones do, and nothing falls.

Files of two learners share no training seeds: seed 0 of one is no pair of seed 0 of the
other. :func:`judge_unrelated` compares the seeds' means, which come from the same
starts, by Welch's interval, and no single seed has a veto.

The margin is a share of what the parent gains over the random policy, and at least that
share of a tenth of the reference range, so that it is positive for a bad parent too:

    m = share * max(mean(parent) - ref_min, FLOOR * (ref_max - ref_min))

The share, and how intervals are drawn, are parameters of the evaluation
(``evaluate.returns``); report and comparison read them there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.statistics.intervals import interval, mean, welch_interval
from tasks.statistics.rule import VerdictParams

FLOOR = 0.1  # of the reference range, the least a parent is taken to gain
FALLS = 0.1  # of its episodes, the least with which a parent is brittle
BRITTLE = "BRITTLE PARENT"
# look at first
WORDS = ("REGRESSED", "SUSPECT", "UNDERPOWERED", BRITTLE, "IMPROVED", "HELD")
GOOD = ("HELD", "IMPROVED")  # as good as the parent, or better


@dataclass(frozen=True)
class Verdict:
    """A word and its figures, in units of the world's return or in scores.

    Attributes:
        word: IMPROVED, HELD, SUSPECT, REGRESSED, UNDERPOWERED or BRITTLE PARENT.
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


def falls(episodes: Episodes) -> float:
    """Share of the episodes that ended in a fall, 0 where ends are no falls."""
    ended = episodes.terminated
    share = float(ended.mean())
    lengths, returns = episodes.length[ended], episodes.returns[ended]
    if share < FALLS or np.ptp(lengths) == 0 or np.ptp(returns) == 0:
        return 0.0
    return share if np.corrcoef(lengths, returns)[0, 1] > 0 else 0.0


def of_compressor(verdict: Verdict, child: Episodes, parent: Episodes) -> Verdict:
    """The verdict on a file that was made from its parent, which may be brittle.

    Args:
        verdict: Of the two.
        child: What is judged.
        parent: What it was made of; one that plays the same returns is no matter.
    """
    if falls(parent) and paired(child, parent).any():
        return replace(verdict, word=BRITTLE)
    return verdict


def judge_scores(
    child: Episodes,
    parent: Episodes,
    world: Mapping[str, Any],
    params: VerdictParams,
    *,
    related: bool = True,
) -> Verdict:
    """A verdict whose figures are normalised scores: 0 random, 100 best behaviour.

    Args:
        child: What is judged.
        parent: What it is judged against.
        world: Of both: ``ref_min`` and ``ref_max``.
        params: The rule.
        related: Whether one was made from the other, seed by seed.

    Raises:
        RefusedError: If the two did not play the same starts.
    """
    low, high = float(world["ref_min"]), float(world["ref_max"])
    margin = margin_of(params.margin, float(parent.returns.mean()), low, high)
    rule = judge if related else judge_unrelated
    return rule(child, parent, margin, params).scaled(100.0 / (high - low))


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


def judge_unrelated(
    child: Episodes, parent: Episodes, margin: float, params: VerdictParams
) -> Verdict:
    """Compare files of learners that share no training seeds but the same starts.

    With a single seed a side there is no spread of seeds, and the interval is that of
    these files on other starts, as of :func:`judge`.

    Args:
        child: What is judged.
        parent: What it is judged against.
        margin: The loss that is tolerated, units of the world's return.
        params: How intervals are drawn.

    Raises:
        RefusedError: If they did not play the same starts.
    """
    ours, theirs = child.table(), parent.table()  # (S, E) each
    starts = (
        child.start_seed.reshape(ours.shape),
        parent.start_seed.reshape(theirs.shape),
    )
    if not np.array_equal(starts[0][0], starts[1][0]):
        _refuse("start_seed", child, parent)
    if min(len(ours), len(theirs)) < 2:
        difference = ours.mean(axis=0, keepdims=True) - theirs.mean(axis=0)  # (1, E)
        generator = np.random.default_rng(params.resample_seed)
        low, high = interval(
            difference,
            mean,
            generator,
            resamples=params.resamples,
            confidence=params.confidence,
            seeds=False,
        )
    else:
        sides = ours.mean(axis=1), theirs.mean(axis=1)
        low, high = welch_interval(*sides, params.confidence)
    gain = float(ours.mean() - theirs.mean())
    return Verdict(word(low, high, margin), gain, low, high, margin, ())


def paired(child: Episodes, parent: Episodes) -> NDArray[np.float64]:
    """Differences (S, E) of rows that have the same seed, episode and start.

    Raises:
        RefusedError: If the two tables have other seeds, episodes or starts.
    """
    for name in ("seed", "episode", "start_seed"):
        ours, theirs = getattr(child, name), getattr(parent, name)
        if not np.array_equal(ours, theirs):
            _refuse(name, child, parent)
    return child.table() - parent.table()


def _refuse(name: str, child: Episodes, parent: Episodes) -> NoReturn:
    """Say that two tables cannot be compared."""
    raise RefusedError(
        Path("episodes.parquet"),
        name,
        f"another list ({len(child.seed)} rows)",
        f"the parent's ({len(parent.seed)} rows)",
        "evaluate both with the same parameters: dvc repro",
    )
