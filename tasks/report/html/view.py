"""What the page's template shows, computed: answers, rows, pictures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tasks.report.cores import words
from tasks.report.cores.pictures import curve, histogram, overlay, ruler, strip
from tasks.report.cores.svg import COLOURS
from tasks.report.engine.collect import Data, Study
from tasks.report.engine.figures import bands, scores
from tasks.report.engine.judge import Row, answer, best_of
from tasks.report.engine.result import Result
from tasks.report.engine.shipped import file_of, seed_of
from tasks.report.html.answers import command_of, critics, use_of
from tasks.report.html.costs import Cell, Front, cells, pace, pareto


@dataclass(frozen=True)
class Line:
    """A row of the summary table.

    Attributes:
        row: None for a reference.
        name: Of a reference; learner / variant otherwise.
        note: Said below the name.
        score: Normalised.
        reward: Return, units of the world.
        strip: The score as a picture.
        colour: Class number of the learner.
        shape: Of the variant.
        latency: By batch size.
    """

    row: Row | None
    name: str
    note: str
    score: float
    reward: float
    strip: Markup
    colour: int | None
    shape: int
    latency: dict[str, Cell]


@dataclass(frozen=True)
class Section:
    """One dataset on the page."""

    data: Data
    best: Result
    choice: Row | None
    beats: bool  # whether the best learner scores above the data's own mean
    verdicts: dict[str, int]  # how many compressed variants got which, against parents
    pace: str  # latency of the choice, in words
    file: str  # of the choice, empty without one
    use: str  # the lines that use it
    plays: str  # the command that plays the choice
    ruler: Markup
    references: list[Line]
    lines: list[Line]
    pareto: list[Front]
    curves: list[tuple[str, int, list[Markup]]]
    learning: Markup  # the score of all learners over training, empty without
    moments: list[tuple[str, int, dict[str, tuple[float, float, float]]]]
    histogram: Markup
    critics: list[tuple[str, float, float | None, bool]]  # share, value, too little
    learners: list[tuple[str, int]]
    variants: list[tuple[str, int]]


def section(study: Study, data: Data, rows: Sequence[Row]) -> Section:
    """Everything about one dataset."""
    colours = {name: i % COLOURS for i, name in enumerate(study.block["policies"])}
    shapes = {name: i for i, name in enumerate(study.block["variants"])}
    mean = float(data.card["return"]["mean"])
    levels = [0.0, data.score(mean), 100.0]
    ends = [v for row in rows for v in row.score] + levels
    span = (min(ends) - 2, max(ends) + 2)
    best, choice = best_of(data), answer(rows)
    file = file_of(choice.result, seed_of(choice.result)) if choice else ""
    # of a world that its user described the page says below how it was measured
    own = not str(data.world.get("_target_", "")).startswith("tasks.worlds.gym.")
    names = [
        (
            "best behaviour policy" if own else "score 100",
            "reference, ref_max",
            float(data.world["ref_max"]),
        ),
        ("the data's own mean return", "reference, mean over episodes", mean),
        ("random policy", "reference, ref_min", float(data.world["ref_min"])),
    ]
    references = [
        Line(None, name, note, data.score(value), value,
             strip(span, levels, data.score(value), None, 3), None, 3, {})
        for name, note, value in names
    ]  # fmt: skip
    timed = cells(rows)
    lines = [
        Line(
            row=row,
            name=row.name,
            note=row.result.note,
            score=row.score[1],
            reward=float(row.result.metrics["return"]["iqm"]),
            strip=strip(
                span,
                levels,
                row.score,
                colours[row.result.learner],
                shapes[row.result.variant],
            ),
            colour=colours[row.result.learner],
            shape=shapes[row.result.variant],
            latency=timed[row.name],
        )
        for row in rows
    ]
    return Section(
        data=data,
        best=best,
        choice=choice,
        beats=float(best.metrics["score"]["iqm"]) > levels[1],
        verdicts=dict(Counter(r.verdict.word for r in rows if not r.is_parent)),
        pace=pace(rows, choice.result, best, "1") if choice else "",
        file=file,
        use=use_of(file) if file else "",
        plays=command_of(choice.result) if choice else "",
        ruler=ruler(span, [("0", 0.0), ("data", levels[1]), ("100", 100.0)]),
        references=references,
        lines=lines,
        pareto=pareto(rows, colours, shapes, levels[1]),
        curves=[
            (learner, colours[learner], [
                curve(name, band, colours[learner])
                for name, band in bands(frame).items()
            ])
            for learner, frame in data.curves.items()
        ],
        learning=overlay("score", [
            (band, colours[learner])
            for learner, learning in data.learning.items()
            for band in bands(scores(data, learning)).values()
        ], (540, 300)),
        moments=[
            (learner, colours[learner], {
                moment: _scored(data, learning.metrics[moment])
                for moment in ("last", "best")
            })
            for learner, learning in data.learning.items()
        ],
        histogram=histogram(
            data.card["return"]["histogram"]["edges"],
            data.card["return"]["histogram"]["counts"],
            [("mean", mean), ("median", float(data.card["return"]["median"]))],
        ),
        critics=[critics(name, reached) for name, reached in data.horizons.items()],
        learners=list(colours.items()),
        variants=list(shapes.items()),
    )  # fmt: skip


def _scored(data: Data, figures: Mapping[str, Any]) -> tuple[float, float, float]:
    """Low end, score and high end of figures in units of the world."""
    low, middle, high = (data.score(float(figures[k])) for k in ("low", "iqm", "high"))
    return low, middle, high


def mean_error(error: Any) -> str:
    """A layer's error in percent: of one number, one a seed, or none."""
    errors = error if isinstance(error, list) else [error]
    known = [float(e) for e in errors if e is not None]
    return words.percent(sum(known) / len(known)) if known else "—"


def pairs(block: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A block of JSON as names and texts, for tables of unknown content."""
    lines = []
    for name, value in block.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            lines += pairs(value, f"{label}, ")
        elif isinstance(value, list):
            lines.append((label, ", ".join(map(str, value))))
        elif isinstance(value, bool) or not isinstance(value, int | float):
            lines.append((label, str(value)))
        else:
            lines.append((label, words.short(value)))
    return lines
