"""What the stages wrote of predictors: a metric in place of a return, no world.

| file | of |
|---|---|
| ``data/datasets/<D>-v0/card.json`` | each dataset of named arrays |
| ``data/evaluations/<D>/<L>/<V>/<M>/metrics.json``, ``rows.parquet`` | each metric |

The rest lies where it lies of policies. Metrics have units and directions of their own
and are never shown as a score.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.artifacts.arrays import ArraysCard, read_card
from tasks.artifacts.curves import read_curves
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.measured import Measured, Rows, read_measured
from tasks.artifacts.variants import PARENT
from tasks.report.engine.result import Files, files
from tasks.statistics.intervals import interval, mean, t_interval

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 2000  # of a single seed's replicates


@dataclass(frozen=True)
class Answered(Files):
    """A variant of a predictor that was measured.

    Attributes:
        measured: metrics.json by metric, in the order of the study.
        rows: rows.parquet by metric.
    """

    measured: dict[str, Measured]
    rows: dict[str, Rows]


@dataclass(frozen=True)
class Predicted:
    """One dataset of named arrays and what was made of it.

    Attributes:
        name: Of the dataset.
        card: card.json.
        curves: curves.csv by learner.
        results: By (learner, variant), in the order of the study.
    """

    name: str
    card: ArraysCard
    curves: dict[str, "pd.DataFrame"]
    results: dict[tuple[str, str], Answered]
    # what only policies have, so that a page can ask all datasets alike
    learning: dict[str, Any] = field(default_factory=dict)
    estimates: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def unplayed(self) -> dict[tuple[str, str], Answered]:
        """The same results: none was played."""
        return self.results

    def best(self, metric: str) -> Answered:
        """The float32 variant with the best mean of a metric; the first of equals."""
        parents = [r for (_, variant), r in self.results.items() if variant == PARENT]
        sign = 1 if parents[0].measured[metric]["better"] == "higher" else -1
        return max(parents, key=lambda r: sign * r.measured[metric]["value"]["mean"])


@dataclass(frozen=True)
class Difference:
    """A metric of a variant minus its float32 parent's, replicate by replicate.

    Over several training seeds the interval is Student's over their means; of a single
    one a bootstrap over replicates.
    """

    value: float
    low: float
    high: float
    worse: bool  # by its whole interval


def difference(
    child: Answered, parent: Answered, metric: str, confidence: float
) -> Difference:
    """How far a variant is from its parent.

    Args:
        child: The variant.
        parent: Its float32 variant.
        metric: Which.
        confidence: Of the interval, e.g. 0.95.

    Raises:
        RefusedError: If the two did not see the same replicates.
    """
    ours, theirs = child.rows[metric].table(), parent.rows[metric].table()
    if ours.shape != theirs.shape:
        where, mend = f"{child.learner} / {child.variant}", "evaluate both again"
        raise RefusedError(where, f"{metric}, rows", ours.shape, theirs.shape, mend)
    apart = ours - theirs
    if len(apart) > 1:
        low, high = t_interval(apart.mean(axis=1), confidence)
    else:
        draw = np.random.default_rng(0)
        low, high = interval(
            apart,
            mean,
            draw,
            resamples=RESAMPLES,
            confidence=confidence,
            seeds=False,
        )
    lower = child.measured[metric]["better"] == "lower"
    worse = low > 0 if lower else high < 0
    return Difference(float(apart.mean()), low, high, worse)


def predicted(root: Path, name: str, study: Mapping[str, Any]) -> Predicted:
    """Read one dataset of named arrays with everything below it.

    Args:
        root: Folder of everything the stages wrote, data/.
        name: Of the dataset.
        study: The block ``study``.

    Raises:
        RefusedError: If something the study lists is missing, unreadable, or of
            another dataset than the one that lies there now.
    """
    folder = root / "datasets" / f"{name}-v0"
    card, curves, results = read_card(folder), {}, {}
    for learner in study["policies"]:
        train = f"python -m tasks.train --dataset {name} --learner {learner}"
        curves[learner] = read_curves(root / "policies" / name / learner, train)
        for variant in study["variants"]:
            what = files(root, name, learner, variant, study["seeds"])
            for contract in what.contracts:
                made_from = contract["dataset"]["sha256"]
                if made_from != card["sha256"]:
                    where = root / "onnx" / name / learner / variant
                    expected = f"{card['sha256']} of {folder / 'card.json'}"
                    mend = "make it again with: dvc repro"
                    field = "dataset.sha256"
                    raise RefusedError(where, field, made_from, expected, mend)
            results[learner, variant] = _answered(root, what, study)
    return Predicted(name, card, curves, results)


def _answered(root: Path, what: Files, study: Mapping[str, Any]) -> Answered:
    """Read the metrics of a variant beside its files."""
    measured, rows = {}, {}
    leaf = Path(what.dataset) / what.learner / what.variant
    for metric in study["metrics"]:
        command = (
            f"python -m tasks.evaluate --dataset {what.dataset} "
            f"--learner {what.learner} --variant {what.variant} --metric {metric}"
        )
        folder = root / "evaluations" / leaf / metric
        rows[metric], told = read_measured(folder, command)
        stated = {
            "dataset": what.dataset,
            "learner": what.learner,
            "variant": what.variant,
            "metric": metric,
            "seeds": list(study["seeds"]),
        }
        for key, expected in stated.items():
            if (found := dict(told)[key]) != expected:
                mend = f"make it again with: {command}"
                raise RefusedError(folder / "metrics.json", key, found, expected, mend)
        measured[metric] = told
    return Answered(**vars(what), measured=measured, rows=rows)
