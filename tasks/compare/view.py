"""What the page shows, computed: one object with everything the template needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tasks.compare import differ
from tasks.compare.answer import Answer, alone, answer
from tasks.compare.collect import Key, Leaf, Side
from tasks.compare.graphs import Graphs, graphs
from tasks.compare.pair import (
    Estimate,
    Level,
    Pair,
    Unpaired,
    Versus,
    estimates,
    level,
    union,
)
from tasks.report.cores.pictures import histogram, overlay, ruler, strip
from tasks.report.cores.svg import COLOURS
from tasks.report.engine.figures import bands

BATCHES = ("1", "256")


@dataclass(frozen=True)
class Cell:
    """One artifact in another revision.

    Attributes:
        pair: None where it could not be paired.
        strip: The difference as a picture.
        size: Bytes, if known.
        ratio: Of the baseline's bytes, if known.
    """

    pair: Pair | None
    strip: Markup
    size: float | None
    ratio: float | None


@dataclass(frozen=True)
class Row:
    """One artifact that could be paired with at least one revision."""

    key: Key
    level: Level
    size: float | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Section:
    """Results on one dataset."""

    dataset: str
    world: str
    ruler: Markup
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Curves:
    """One learner on one dataset.

    Attributes:
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
        table: Side by side.
        histograms: Name of the revision and picture, where the data differ.
        qdc: Quality, diversity and complexity, where a revision measured them.
    """

    name: str
    table: differ.Table
    histograms: tuple[tuple[int, str, Markup], ...]
    qdc: differ.Table | None


@dataclass(frozen=True)
class View:
    """The whole comparison."""

    sides: tuple[Side, ...]
    versus: tuple[Versus, ...]
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]
    unpaired: tuple[tuple[str, str, tuple[Key, ...]], ...]
    estimates: tuple[Estimate, ...]
    params: differ.Table
    packages: differ.Table
    environment: differ.Table
    code: differ.Table
    hashes: differ.Table
    stale: tuple[tuple[str, tuple[str, ...]], ...]
    cards: tuple[Data, ...]
    curves: tuple[Curves, ...]
    graphs: tuple[tuple[str, tuple[Graphs, ...]], ...]
    latency: tuple[tuple[Key, tuple[Leaf | None, ...]], ...]
    alone: bool
    confidence: float

    @property
    def baseline(self) -> Side:
        """A."""
        return self.sides[0]

    @property
    def causes(self) -> str:
        """How much differs beside the results, in words."""
        counts = (
            (len(self.params.differing), "parameter"),
            (len(self.code.differing), "file of code"),
            (len(self.packages.differing), "package version"),
            (sum(bool(data.table.differing) for data in self.cards), "dataset"),
        )
        said = [f"{n} {_plural(what, n)}" for n, what in counts if n]
        return ", ".join(said) or "nothing that a revision records"


def _plural(what: str, count: int) -> str:
    """``2 files of code``."""
    first, of, rest = what.partition(" of ")
    return what if count == 1 else f"{first}s{of}{rest}"


def view(sides: Sequence[Side], found: Sequence[Versus], confidence: float) -> View:
    """Everything on the page.

    Args:
        sides: The revisions, the baseline first.
        found: One for each other revision, in order.
        confidence: Of the intervals.
    """
    return View(
        sides=tuple(sides),
        versus=tuple(found),
        answers=tuple(answer(sides[0].name, one) for one in found),
        sections=tuple(_sections(sides, found)),
        unpaired=tuple(_reasons(found)),
        estimates=tuple(estimates(sides)),
        params=differ.params(sides),
        packages=differ.packages(sides),
        environment=differ.environment(sides),
        code=differ.code(sides),
        hashes=differ.hashes(sides),
        stale=tuple((s.name, tuple(told)) for s in sides if (told := differ.stale(s))),
        cards=tuple(_cards(sides)),
        curves=tuple(_curves(sides)),
        graphs=tuple(
            (one.side.name, tuple(graphs(sides[0], one.side))) for one in found
        ),
        latency=tuple(_latency(sides)),
        alone=alone(found),
        confidence=confidence,
    )


def _sections(sides: Sequence[Side], found: Sequence[Versus]) -> Iterable[Section]:
    """Datasets in the baseline's order, each with its paired artifacts."""
    baseline = sides[0]
    for dataset, world in baseline.worlds.items():
        pairs = [p for one in found for p in one.pairs if p.key[0] == dataset]
        if not pairs:
            continue
        span = _span(pairs)
        rows = []
        for key in dict.fromkeys(p.key for p in pairs):
            stands = level(baseline.leaves[key], world)
            cells = tuple(
                _cell(one, key, baseline.leaves[key].bytes, span, number)
                for number, one in enumerate(found, 1)
            )
            rows.append(Row(key, stands, baseline.leaves[key].bytes, cells))
        order = list(baseline.leaves)
        yield Section(
            dataset=dataset,
            world=str(world["name"]),
            ruler=ruler(
                span, [("worse", span[0] / 2), ("0", 0.0), ("better", span[1] / 2)]
            ),
            rows=tuple(sorted(rows, key=lambda row: order.index(row.key))),
        )


def _span(pairs: Sequence[Pair]) -> tuple[float, float]:
    """The line all differences of a table share; 0 is well inside."""
    judged = [pair.judged for pair in pairs]
    low = min(0.0, *(min(one.low, -one.margin) for one in judged))
    high = max(0.0, *(one.high for one in judged))
    return min(1.06 * low, -0.4 * high), max(1.06 * high, -0.4 * low)


def _cell(
    found: Versus,
    key: Key,
    before: float | None,
    span: tuple[float, float],
    colour: int,
) -> Cell:
    """One artifact in one other revision."""
    pair = found.pair(key)
    leaf = found.side.leaves.get(key)
    size = leaf.bytes if leaf else None
    drawn = Markup()
    if pair:
        judged = pair.judged
        value = (judged.low, judged.difference, judged.high)
        drawn = strip(span, [0.0, -judged.margin], value, colour % COLOURS)
    return Cell(pair, drawn, size, size / before if size and before else None)


def _reasons(found: Sequence[Versus]) -> Iterable[tuple[str, str, tuple[Key, ...]]]:
    """Revision, reason, artifacts."""
    for one in found:
        grouped: dict[str, list[Unpaired]] = {}
        for unpaired in one.unpaired:
            grouped.setdefault(unpaired.reason, []).append(unpaired)
        for reason, listed in grouped.items():
            yield one.side.name, reason, tuple(u.key for u in listed)


def _cards(sides: Sequence[Side]) -> Iterable[Data]:
    """Cards side by side; histograms where the data are not the same."""
    measured = differ.qdc(sides)
    for name, table in differ.cards(sides).items():
        drawn = []
        hashes = {s.cards[name]["sha256"] for s in sides if name in s.cards}
        for number, side in enumerate(sides):
            found = side.cards.get(name, {}).get("return", {}).get("histogram")
            if found and len(hashes) > 1:
                mean = [("mean", float(side.cards[name]["return"]["mean"]))]
                picture = histogram(found["edges"], found["counts"], mean)
                drawn.append((number, side.name, picture))
        yield Data(name, table, tuple(drawn), measured.get(name))


def _curves(sides: Sequence[Side]) -> Iterable[Curves]:
    """Every learner some revision trained, its revisions on the same axes."""
    for dataset, learner in dict.fromkeys(k for side in sides for k in side.curves):
        frames = [side.curves.get((dataset, learner)) for side in sides]
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
    sides: Sequence[Side],
) -> Iterable[tuple[Key, tuple[Leaf | None, ...]]]:
    """Artifacts that some revision has a latency of."""
    for key in union(*(side.leaves for side in sides)):
        leaves = [side.leaves.get(key) for side in sides]
        timed = [leaf if leaf and leaf.latency else None for leaf in leaves]
        if any(timed):
            yield key, tuple(timed)
