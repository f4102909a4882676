"""Datasets of named arrays on the page: metrics by their own names, both directions."""

from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.cores.pictures import curve
from tasks.report.cores.svg import COLOURS
from tasks.report.engine.collect import Study
from tasks.report.engine.figures import bands
from tasks.report.engine.judge import Kept, kept
from tasks.report.engine.predicted import Answered, Difference, Predicted, difference
from tasks.report.engine.shipped import file_of
from tasks.report.html.costs import Cell, cells


@dataclass(frozen=True)
class AnsweredLine:
    """A row of the table of metrics.

    Attributes:
        row: The variant.
        result: What was found of it.
        name: Learner / variant.
        colour: Class number of the learner.
        shape: Of the variant.
        latency: By batch size.
        differences: By metric, against its float32 parent; none of the parent.
    """

    row: Kept
    result: Answered
    name: str
    colour: int
    shape: int
    latency: dict[str, Cell]
    differences: dict[str, Difference]


@dataclass(frozen=True)
class PredictedSection:
    """One dataset of named arrays on the page."""

    data: Predicted
    lines: list[AnsweredLine]
    curves: list[tuple[str, int, list[Markup]]]
    metrics: list[str]
    best: Answered  # of the first metric, float32
    file: str  # of the best, of the first training seed
    moments: tuple[()] = ()


def predicted_section(study: Study, data: Predicted) -> PredictedSection:
    """Everything about one dataset of named arrays."""
    colours = {name: i % COLOURS for i, name in enumerate(study.block["policies"])}
    shapes = {name: i for i, name in enumerate(study.block["variants"])}
    rows, metrics = kept(data), list(study.block["metrics"])
    timed = cells(rows)
    lines = []
    for row in rows:
        result = data.results[row.result.learner, row.result.variant]
        parent = data.results[row.parent.learner, row.parent.variant]
        against = {
            metric: difference(result, parent, metric, study.confidence)
            for metric in metrics
            if not row.is_parent
        }
        look = colours[result.learner], shapes[result.variant]
        lines.append(
            AnsweredLine(row, result, row.name, *look, timed[row.name], against)
        )
    best = data.best(metrics[0])
    curves = [
        (learner, colours[learner], [
            curve(name, band, colours[learner]) for name, band in bands(frame).items()
        ])
        for learner, frame in data.curves.items()
    ]  # fmt: skip
    file = file_of(best, best.contracts[0]["seed"])
    return PredictedSection(data, lines, curves, metrics, best, file)
