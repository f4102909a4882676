"""What DVC compares: few metrics, a table of all files, plots. No time is in them."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.report.engine.collect import Data, Learned, Study
from tasks.report.engine.judge import Row, answer, best_of, kept
from tasks.report.engine.predicted import Predicted, difference
from tasks.report.engine.result import Result
from tasks.statistics.verdict import WORDS

DIGITS = 6  # after the point: less than any difference that means something
KEYS = ("update", "seed")


def metrics(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """What a study came to, few enough to stand side by side.

    ``best``, ``best_score``: the learner whose float32 files score highest. ``ship``:
    the answer of the first page, with ``ship_score``, ``ship_low``, ``ship_high``,
    ``ship_bytes`` and ``ship_ratio``; missing where nothing held. Then how many
    compressed variants got each verdict, ``held`` and so on. Of several datasets the
    figures are means, without an interval, and ``ship`` says on how many of them a file
    can be shipped.
    Where there is no world, the number of variants stands alone, ``files``; with
    predictors, beside it for each dataset the best learner by the study's first metric,
    that metric's ``name``, ``value``, ``low``, ``high``, ``unit``, and which is
    ``better``.
    """
    if not study.datasets:
        count = sum(len(data.unplayed) for data in study.unplayed)
        files: dict[str, Any] = {"files": count}
        return files | {data.name: _leading(study, data) for data in study.predicted}
    best = [best_of(data) for data in study.datasets]
    choices = [answer([r for r in rows if r.data is data]) for data in study.datasets]
    ship = [choice for choice in choices if choice]
    scores = [float(result.metrics["score"]["iqm"]) for result in best]
    shipped = f"{len(ship)} of {len(best)} datasets"
    if len(best) == 1:
        shipped = ship[0].name if ship else "nothing"
    numbers: dict[str, Any] = {
        "best": ", ".join(dict.fromkeys(result.learner for result in best)),
        "best_score": _round(float(np.mean(scores))),
        "ship": shipped,
    }
    if ship:
        figures = {
            "ship_score": [choice.score[1] for choice in ship],
            "ship_bytes": [choice.result.bytes for choice in ship],
            "ship_ratio": [choice.ratio for choice in ship],
        }
        if len(best) == 1:
            low, _, high = ship[0].score
            figures |= {"ship_low": [low], "ship_high": [high]}
        numbers |= {n: _round(float(np.mean(x))) for n, x in figures.items()}
    said = Counter(row.verdict.word for row in rows if not row.is_parent)
    counts = {word.lower().replace(" ", "_"): said[word] for word in WORDS}
    return numbers | counts


def table(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """Numbers by dataset, learner and variant.

    ``score``, ``score_low``, ``score_high``: normalised, IQM and its interval;
    ``return``: IQM, units of the world; ``difference``: paired mean against float32,
    normalised score, with the ``verdict`` on it; ``action_error_data`` and
    ``action_error_visited``: mean distance to float32's actions on logged states and on
    those the variant visits, where it was told; ``regret`` with its ends, of tables, in
    units of the world, the smaller the better. Where the policies on the way were
    played, a learner also has ``last`` and ``best``, scores with their intervals.
    Where there is no world, a variant has its size and the error on logged states as
    its compressor told it, and its learner ``estimates``: by estimator the discounted
    return, ``mean``, ``low``, ``high``.
    """
    numbers: dict[str, Any] = {}
    for row in rows:
        low, score, high = row.score
        result = row.result
        learners = numbers.setdefault(result.dataset, {})
        learners.setdefault(result.learner, {})[result.variant] = {
            "score": _round(score),
            "score_low": _round(low),
            "score_high": _round(high),
            "return": _round(float(result.metrics["return"]["iqm"])),
            "bytes": _round(result.bytes),
            "ratio": _round(row.ratio),
            "difference": _round(row.verdict.difference),
            "verdict": row.verdict.word,
            **{
                f"action_error_{where}": _round(error["mean"])
                for where, error in row.action_errors.items()
            },
            **_regret(result),
        }
        if result.learner in row.data.learning:
            learning = row.data.learning[result.learner].metrics
            moments = {"last": learning["last"], "best": learning["best"]}
            learners[result.learner] |= {
                moment: {
                    "score": _round(row.data.score(figures["iqm"])),
                    "score_low": _round(row.data.score(figures["low"])),
                    "score_high": _round(row.data.score(figures["high"])),
                }
                for moment, figures in moments.items()
            }
    numbers |= {data.name: _estimated(data) for data in study.logs}
    return numbers | {data.name: _answered(study, data) for data in study.predicted}


def _leading(study: Study, data: Predicted) -> dict[str, Any]:
    """The best float32 files by the first metric."""
    name = study.block["metrics"][0]
    best = data.best(name)
    told = best.measured[name]
    ends = {"value": told["value"]["mean"]}
    ends |= {end: told["value"][end] for end in ("low", "high")}
    return {
        "best": best.learner,
        "name": name,
        "unit": told["unit"],
        "better": told["better"],
        **{key: _round(value) for key, value in ends.items()},
    }


def _answered(study: Study, data: Predicted) -> dict[str, Any]:
    """Numbers by learner and variant of predictors.

    Of each metric under its own name ``value``, ``low``, ``high``, ``unit``, which is
    ``better``, and of compressed variants ``difference``: the paired mean against
    float32.
    """
    learners: dict[str, Any] = {}
    for row in kept(data):
        result = data.results[row.result.learner, row.result.variant]
        parent = data.results[row.parent.learner, row.parent.variant]
        numbers: dict[str, Any] = {
            "bytes": _round(result.bytes),
            "ratio": _round(row.ratio),
        }
        for name, told in result.measured.items():
            whole = told["value"]
            apart = difference(result, parent, name, study.confidence)
            numbers[name] = {
                "value": _round(whole["mean"]),
                "low": _round(whole["low"]),
                "high": _round(whole["high"]),
                "unit": told["unit"],
                "better": told["better"],
                **({} if row.is_parent else {"difference": _round(apart.value)}),
            }
        learners.setdefault(result.learner, {})[result.variant] = numbers
    return learners


def _regret(result: Result) -> dict[str, float]:
    """Of a table, what is missing to the best policy: smaller is better."""
    if "regret" not in result.metrics:
        return {}
    lost = result.metrics["regret"]
    return {
        "regret": _round(lost["mean"]),
        "regret_low": _round(lost["low"]),
        "regret_high": _round(lost["high"]),
    }


def _estimated(data: Data) -> dict[str, Any]:
    """Numbers by learner of logs without a world."""
    learners: dict[str, Any] = {}
    for row in kept(data):
        a = row.result
        numbers = {"bytes": _round(a.bytes), "ratio": _round(row.ratio)}
        if not row.is_parent and "-" not in a.variant:  # a chain's is of its last link
            error = a.compression["action_error"]["mean"]
            numbers["action_error_data"] = _round(error)
        learners.setdefault(a.learner, {})[a.variant] = numbers
    for (learner, method), estimate in data.estimates.items():
        whole = estimate["discounted"]
        ends = {key: _round(whole[key]) for key in ("mean", "low", "high")}
        learners[learner].setdefault("estimates", {})[method] = ends
    return learners


def plots(study: Study, rows: Sequence[Row]) -> dict[str, str]:
    """Text by file name: ``pareto.csv`` and one file a learning curve.

    A curve has its own file, because DVC draws one picture a file.
    """
    head = ["label", "dataset", "learner", "variant"]
    head += ["bytes", "score", "low", "high"]
    table = []
    for row in rows:
        a = row.result
        low, score, high = (_round(v) for v in row.score)
        label = f"{a.dataset} / {row.name}"
        named = [label, a.dataset, a.learner, a.variant]
        table.append([*named, _round(a.bytes), score, low, high])
    files = {"pareto.csv": _csv(head, table)}
    every: tuple[Data | Predicted, ...] = (*study.datasets, *study.unplayed)
    for data in every:
        for learner, curves in data.curves.items():
            drawn = dict(bands(curves))
            if isinstance(data, Data) and learner in data.learning:
                drawn |= bands(scores(data, data.learning[learner]))
            for name, band in drawn.items():
                lines = [
                    [int(band_row[0]), *map(_round, band_row[1:])]
                    for band_row in band.T.tolist()
                ]
                file = re.sub(r"[^\w.-]", "_", f"{data.name}-{learner}-{name}")
                files[f"curves/{file}.csv"] = _csv(
                    ["update", "low", "high", "mean"], lines
                )
    return files


def scores(data: Data, learning: Learned) -> pd.DataFrame:
    """Update, seed and mean score of the seed's episodes, a row each."""
    grouped = learning.returns.groupby(["update", "seed"])["return"]
    table = grouped.mean().rename("score").reset_index()
    table["score"] = table["score"].map(data.score)
    return table


def bands(curves: pd.DataFrame) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """By metric, (4, N): update, lowest seed, highest seed, mean over seeds.

    Updates where no seed has a finite value are left out.
    """
    by_metric = {}
    for name in (c for c in curves.columns if c not in KEYS):
        values = pd.to_numeric(curves[name], errors="coerce")
        values = values.where(np.isfinite(values))
        grouped = values.groupby(curves["update"])
        low, high, mean = grouped.min(), grouped.max(), grouped.mean()
        band = np.stack([low.index.to_numpy(np.float64), low, high, mean])
        band = band[:, np.isfinite(band).all(axis=0)]
        if band.shape[1]:
            by_metric[str(name)] = band
    return by_metric


def _round(value: float) -> float:
    """Without the digits that mean nothing."""
    return round(float(value), DIGITS)


def _csv(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """A table as text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return stream.getvalue()
