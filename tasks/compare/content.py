"""What page and summary show, computed: one object with everything they need."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tasks.compare import differences
from tasks.compare.headline import Headline, alone, headline
from tasks.compare.made_by import Change, changes
from tasks.compare.metrics import MetricRow, metrics
from tasks.compare.onnx_graphs import Graphs, graphs
from tasks.compare.pair import Estimate, Versus, estimates, union
from tasks.compare.results import Section, reasons, sections
from tasks.compare.revision import Key, Result, Revision
from tasks.report.cores.pictures import histogram, overlay
from tasks.report.cores.svg import COLOURS
from tasks.report.engine.figures import bands

BATCHES = ("1", "256")


@dataclass(frozen=True)
class Curves:
    """One learner on one dataset.

    Attributes:
        dataset: Its name.
        learner: Its name.
        drawn: One picture a metric.
        same: Whether every revision that trained it has the same curves.
    """

    dataset: str
    learner: str
    drawn: tuple[Markup, ...]
    same: bool


@dataclass(frozen=True)
class Data:
    """One dataset's cards.

    Attributes:
        name: Of the dataset.
        table: Side by side.
        histograms: Number and name of the revision, and picture, where the data differ.
        qdc: Quality, diversity and complexity, where a revision measured them.
    """

    name: str
    table: differences.Table
    histograms: tuple[tuple[int, str, Markup], ...]
    qdc: differences.Table | None


@dataclass(frozen=True)
class Content:
    """The whole comparison.

    Attributes:
        revisions: The baseline first.
        versus: Each other revision against the baseline.
        headlines: What came out, one for each other revision.
        sections: Results, one a dataset.
        unpaired: Revision, reason and variants that could not be paired.
        estimates: Variants or estimators whose numbers come from no world.
        metrics: Of predictors.
        made_by: How variants were made differently.
        params: params.yaml side by side.
        packages: requirements.lock side by side.
        environment: What ran it.
        code: Hashes of the code the stages ran.
        hashes: Hashes of the outputs.
        stale: Revision, and what its dvc.lock was not made with.
        cards: One a dataset.
        curves: One a dataset and learner.
        graphs: Revision, and its ONNX files against the baseline's.
        latency: Variant, and its result in each revision, where it was timed.
        alone: Whether there is only one dataset.
        confidence: Of the intervals.
    """

    revisions: tuple[Revision, ...]
    versus: tuple[Versus, ...]
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]
    unpaired: tuple[tuple[str, str, tuple[Key, ...]], ...]
    estimates: tuple[Estimate, ...]
    metrics: tuple[MetricRow, ...]
    made_by: tuple[Change, ...]
    params: differences.Table
    packages: differences.Table
    environment: differences.Table
    code: differences.Table
    hashes: differences.Table
    stale: tuple[tuple[str, tuple[str, ...]], ...]
    cards: tuple[Data, ...]
    curves: tuple[Curves, ...]
    graphs: tuple[tuple[str, tuple[Graphs, ...]], ...]
    latency: tuple[tuple[Key, tuple[Result | None, ...]], ...]
    alone: bool
    confidence: float

    @property
    def baseline(self) -> Revision:
        """The revision that the others are compared with."""
        return self.revisions[0]

    @property
    def timed(self) -> tuple[int, ...]:
        """Numbers of the revisions that have a latency."""
        numbers = range(len(self.revisions))
        return tuple(n for n in numbers if any(timed[n] for _, timed in self.latency))

    @property
    def causes(self) -> str:
        """How much differs beside the results, in words."""
        methods = {change.method for change in self.made_by if change.method}
        counts = (
            (len(methods), "method of policies", "methods of policies"),
            (len(self.params.differing), "parameter", "parameters"),
            (len(self.code.differing), "entry of code", "entries of code"),
            (len(self.packages.differing), "package version", "package versions"),
            (sum(bool(d.table.differing) for d in self.cards), "dataset", "datasets"),
        )
        named = [f"{n} {one if n == 1 else many}" for n, one, many in counts if n]
        return ", ".join(named) or "nothing that a revision records"


def content(
    revisions: Sequence[Revision], versus: Sequence[Versus], confidence: float
) -> Content:
    """Everything on the page.

    Args:
        revisions: The revisions, the baseline first.
        versus: One for each other revision, in order.
        confidence: Of the intervals.
    """
    return Content(
        revisions=tuple(revisions),
        versus=tuple(versus),
        headlines=tuple(headline(revisions[0].name, one) for one in versus),
        sections=tuple(sections(revisions, versus)),
        unpaired=tuple(reasons(versus)),
        estimates=tuple(estimates(revisions)),
        metrics=tuple(metrics(revisions)),
        made_by=tuple(
            change
            for revision in revisions[1:]
            for change in changes(revisions[0], revision)
        ),
        params=differences.params(revisions),
        packages=differences.packages(revisions),
        environment=differences.environment(revisions),
        code=differences.code(revisions),
        hashes=differences.hashes(revisions),
        stale=tuple(
            (revision.name, tuple(names))
            for revision in revisions
            if (names := differences.stale(revision))
        ),
        cards=tuple(_cards(revisions)),
        curves=tuple(_curves(revisions)),
        graphs=tuple(
            (one.revision.name, tuple(graphs(revisions[0], one.revision)))
            for one in versus
        ),
        latency=tuple(_latency(revisions)),
        alone=alone(versus),
        confidence=confidence,
    )


def _cards(revisions: Sequence[Revision]) -> Iterable[Data]:
    """Cards side by side; histograms where the data are not the same."""
    measured = differences.qdc(revisions)
    for name, table in differences.cards(revisions).items():
        drawn = []
        hashes = {r.cards[name]["sha256"] for r in revisions if name in r.cards}
        for number, revision in enumerate(revisions):
            card = revision.cards.get(name)
            counted = card["return"].get("histogram") if card else None
            if card and counted and len(hashes) > 1:
                mean = [("mean", float(card["return"]["mean"]))]
                picture = histogram(counted["edges"], counted["counts"], mean)
                drawn.append((number, revision.name, picture))
        yield Data(name, table, tuple(drawn), measured.get(name))


def _curves(revisions: Sequence[Revision]) -> Iterable[Curves]:
    """Every learner some revision trained, its revisions on the same axes."""
    for dataset, learner in dict.fromkeys(
        k for revision in revisions for k in revision.curves
    ):
        frames = [revision.curves.get((dataset, learner)) for revision in revisions]
        known = [frame for frame in frames if frame is not None]
        same = all(known[0].equals(frame) for frame in known)
        drawn: dict[str, list[Any]] = {}
        for number, frame in enumerate(frames):
            if frame is None or (same and drawn):
                continue
            for name, band in bands(frame).items():
                drawn.setdefault(name, []).append((band, number % COLOURS))
        pictures = tuple(overlay(name, several) for name, several in drawn.items())
        yield Curves(dataset, learner, pictures, same)


def _latency(
    revisions: Sequence[Revision],
) -> Iterable[tuple[Key, tuple[Result | None, ...]]]:
    """Variants that some revision has a latency of."""
    for key in union(*(revision.results for revision in revisions)):
        results = [revision.results.get(key) for revision in revisions]
        timed = [result if result and result.latency else None for result in results]
        if any(timed):
            yield key, tuple(timed)
