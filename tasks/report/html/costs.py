"""What a byte and a microsecond buy: latencies of a table, and the two fronts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.cores import words
from tasks.report.cores.scatter import Point, front, scatter
from tasks.report.engine.judge import Kept, Row
from tasks.report.engine.result import Files
from tasks.report.engine.timing import timings, told_apart

BATCHES = ("1", "256")
DISTURBED = "busy"  # in place of a pace
SAME_SIZE = 0.01  # files nearer in bytes than this share are as large


@dataclass(frozen=True)
class Cell:
    """A file's latency at one batch size.

    Attributes:
        p50: Microseconds.
        p99: Likewise.
        said: Against the parent, in words.
        busy: Whether other work disturbed it.
    """

    p50: float
    p99: float
    said: str
    busy: bool


@dataclass(frozen=True)
class Front:
    """A picture of scores against a cost.

    Attributes:
        title: Of the picture.
        note: What a reader should know.
        picture: The picture.
        best: What no other file beats, by cost; numbered from 1 in the picture.
    """

    title: str
    note: str
    picture: Markup
    best: tuple[Point, ...]


def key(row: Kept) -> str:
    """What ties a variant's row to its marks."""
    return json.dumps([row.data.name, row.result.learner, row.result.variant])


def cells(rows: Sequence[Kept]) -> dict[str, dict[str, Cell]]:
    """By learner / variant and batch size, as far as it was timed.

    Args:
        rows: Of one dataset.
    """
    shown: dict[str, dict[str, Cell]] = {row.name: {} for row in rows}
    for batch in BATCHES:
        measured = timings([row.result for row in rows], batch)
        for row in rows:
            if timing := measured.get(row.name):
                said = (
                    "" if row.is_parent else pace(rows, row.result, row.parent, batch)
                )
                said = DISTURBED if timing.busy else said
                cell = Cell(timing.p50, timing.p99, said, timing.busy)
                shown[row.name][batch] = cell
    return shown


def pace(rows: Sequence[Kept], child: Files, parent: Files, batch: str) -> str:
    """Latency (p50) against another variant, where both were timed alike.

    Args:
        rows: Of one dataset, the two among them.
        child: What is compared.
        parent: With what.
        batch: Batch size.
    """
    ours, theirs = child.latency, parent.latency
    if ours is None or theirs is None:
        return "parent not timed" if ours else "not timed"
    if any(ours.get(k) != theirs.get(k) for k in ("machine", "onnxruntime", "threads")):
        return "parent timed elsewhere"
    measured = timings([row.result for row in rows], batch)
    both = [measured.get(f"{a.learner} / {a.variant}") for a in (child, parent)]
    known = [timing for timing in both if timing]
    if len(known) < 2:
        return "not timed"
    if known[0].busy:
        return "timed on a busy machine"
    if known[1].busy:
        return "parent timed on a busy machine"
    return words.pace(known[0].p50, known[1].p50)


def pareto(
    rows: Sequence[Row],
    colours: Mapping[str, int],
    shapes: Mapping[str, int],
    level: float,
) -> list[Front]:
    """Score against bytes, and against latency where it was measured.

    Args:
        rows: Of one dataset.
        colours: By learner.
        shapes: By variant.
        level: Score of the data's mean return.
    """

    def point(row: Row, x: float, cost: str) -> Point:
        low, score, high = row.score
        a = row.result
        tip = (
            f"{row.name}\n{words.number(score)} {words.interval(low, high)}\n{cost}"
            f"\n{'parent' if row.is_parent else row.verdict.word}"
        )
        marked = (colours[a.learner], shapes[a.variant])
        return Point(key(row), row.name, tip, cost, x, score, low, high, *marked)

    mean = ("the data's mean", level)
    sized = [
        point(r, r.result.bytes / 1e3, words.kilobytes(r.result.bytes)) for r in rows
    ]
    title, best = "Score against file size", front(sized, SAME_SIZE)
    drawn = scatter(sized, best, title, "file size, kB", mean)
    fronts = [Front(title, "", drawn, tuple(best))]
    measured = timings([row.result for row in rows], "1")
    timed = [
        point(row, m.network, f"{words.micro(m.p50)} µs")
        for row in rows
        if (m := measured.get(row.name))
    ]
    if timed:
        apart = told_apart(measured)
        title, ranked = "Score against latency", None
        note = "busy: other work disturbed the measurement, so nothing is ranked"
        if apart is not None:
            ranked = front(timed, apart)
            share = words.percent(apart)
            note = f"nearer than {share} is not told apart"
        drawn = scatter(timed, ranked, title, "p50 at batch 1, µs", mean)
        fronts.append(Front(title, note, drawn, tuple(ranked or ())))
    return fronts


def unmeasured(rows: Iterable[Kept]) -> list[str]:
    """The command that measures it, for each latency that is missing."""
    return [
        f"python -m tasks.profile --dataset {a.dataset} --learner {a.learner}"
        for a in (row.result for row in rows)
        if a.latency is None
    ]


def timed(rows: Iterable[Kept]) -> str:
    """How latencies were measured, one clause a way, and how busy the machine was."""
    latencies = [row.result.latency for row in rows if row.result.latency]
    ways = {
        f"{timed['machine'].get('cpu')}, {timed['machine'].get('cores')} cores; "
        f"onnxruntime {timed.get('onnxruntime')}, threads {timed.get('threads')}, "
        f"{timed.get('repeats')} calls of the first seed's file": None
        for timed in latencies
    }
    loads = [float(timed["load"]) for timed in latencies if "load" in timed]
    busy = f"; load average {min(loads):.1f} to {max(loads):.1f}" if loads else ""
    return "; and ".join(ways) + busy
