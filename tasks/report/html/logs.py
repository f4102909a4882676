"""Datasets without a world on the page, and estimates drawn, there and elsewhere."""

from dataclasses import dataclass

from markupsafe import Markup

from tasks.artifacts.dataset_formats import Estimate
from tasks.report.cores.pictures import curve, histogram, strip
from tasks.report.cores.svg import COLOURS
from tasks.report.engine.collect import Data, Study
from tasks.report.engine.figures import bands
from tasks.report.engine.judge import Kept, kept
from tasks.report.engine.shipped import file_of
from tasks.report.html.answers import use_of
from tasks.report.html.costs import Cell, cells


@dataclass(frozen=True)
class KeptLine:
    """A row of the table of files.

    Attributes:
        row: The variant.
        name: Learner / variant.
        colour: Class number of the learner.
        shape: Of the variant.
        latency: By batch size.
    """

    row: Kept
    name: str
    colour: int
    shape: int
    latency: dict[str, Cell]


@dataclass(frozen=True)
class LogSection:
    """One dataset without a world on the page; what it shares with those played."""

    data: Data
    lines: list[KeptLine]
    curves: list[tuple[str, int, list[Markup]]]
    histogram: Markup
    smallest: Kept
    file: str  # of the smallest, of the first training seed
    use: str  # the lines that use it
    moments: tuple[()] = ()


def log_section(study: Study, data: Data) -> LogSection:
    """Everything about one dataset without a world."""
    colours = {name: i % COLOURS for i, name in enumerate(study.block["policies"])}
    shapes = {name: i for i, name in enumerate(study.block["variants"])}
    returns = data.card["return"]
    rows = kept(data)
    smallest = min(rows, key=lambda row: row.result.bytes)
    file = file_of(smallest.result, smallest.result.contracts[0]["seed"])
    timed = cells(rows)
    lines = [
        KeptLine(
            row=row,
            name=row.name,
            colour=colours[row.result.learner],
            shape=shapes[row.result.variant],
            latency=timed[row.name],
        )
        for row in rows
    ]
    levels = [("mean", returns["mean"]), ("median", returns["median"])]
    drawn = returns["histogram"]
    return LogSection(
        data=data,
        lines=lines,
        curves=[
            (learner, colours[learner], [
                curve(name, band, colours[learner])
                for name, band in bands(frame).items()
            ])
            for learner, frame in data.curves.items()
        ],
        histogram=histogram(drawn["edges"], drawn["counts"], levels),
        smallest=smallest,
        file=file,
        use=use_of(file),
    )  # fmt: skip


def drawn_estimates(
    study: Study, data: Data
) -> list[tuple[str, str, Estimate, Markup]]:
    """Learner, estimator, figures, and the estimate with its interval as a picture.

    The pictures of a dataset share their ends; the upright line is the discounted
    return of the logged episodes themselves.
    """
    colours = {name: i % COLOURS for i, name in enumerate(study.block["policies"])}
    ends = [
        value
        for e in data.estimates.values()
        for value in (
            e["discounted"]["low"],
            e["discounted"]["high"],
            e["logged"]["discounted"],
        )
    ]
    if not ends:
        return []
    room = 0.05 * (max(ends) - min(ends)) or 1.0
    span = min(ends) - room, max(ends) + room
    shapes = list(dict.fromkeys(method for _, method in data.estimates))
    return [
        (learner, method, e, strip(
            span,
            [e["logged"]["discounted"]],
            (e["discounted"]["low"], e["discounted"]["mean"], e["discounted"]["high"]),
            colours[learner],
            shapes.index(method),
        ))
        for (learner, method), e in data.estimates.items()
    ]  # fmt: skip
