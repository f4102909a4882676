"""What the page shows of sweeps: each configuration's score beside its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.artifacts.sweep import Numbers
from tasks.report.cores import words
from tasks.report.cores.pictures import symbol
from tasks.report.cores.svg import (
    COLOURS,
    Scale,
    axes,
    line,
    mark,
    padded,
    path,
    svg,
    tag,
)
from tasks.report.engine.collect import Study
from tasks.report.engine.judge import Row
from tasks.statistics.intervals import iqm

DECADES = 10.0  # from this ratio of the largest to the smallest on, a log axis
ASIDE = 8.0  # of a seed's dot from the whisker, user units
DODGE = 15.0  # between configurations of one value, user units
STRONGEST = 50  # percent of the colour, of the highest score in a map


@dataclass(frozen=True)
class Tried:
    """One configuration.

    Attributes:
        policy: Its name.
        numbers: In which it differs from the others.
        low: End of the score's interval.
        score: Normalised, of its float32 files.
        high: The other end.
        seeds: The interquartile mean of each training seed, as a score.
    """

    policy: str
    numbers: Numbers
    low: float
    score: float
    high: float
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Picture:
    """Score against one number.

    Attributes:
        name: The number.
        drawn: The picture.
        legend: By line its mark and the other numbers, where there are several lines.
    """

    name: str
    drawn: Markup
    legend: tuple[tuple[Markup, str], ...]


@dataclass(frozen=True)
class Heat:
    """Two numbers across each other.

    Attributes:
        down: The name of the one whose values stand down the side.
        across: The name of the other.
        values: Of the other.
        rows: By value of the first its configurations, each with the percent of colour.
    """

    down: str
    across: str
    values: tuple[float, ...]
    rows: tuple[tuple[float, tuple[tuple[Tried, int], ...]], ...]


@dataclass(frozen=True)
class Sweep:
    """A learner's configurations on one dataset.

    Attributes:
        dataset: Its name.
        learner: Its name.
        names: Of the numbers that were swept.
        tried: In the order of the study.
        pictures: One for each number of which there are several values.
        heat: All of them at once, where two numbers have several values.
    """

    dataset: str
    learner: str
    names: tuple[str, ...]
    tried: tuple[Tried, ...]
    pictures: tuple[Picture, ...]
    heat: Heat | None

    @property
    def best(self) -> Tried:
        """The one with the highest score."""
        return max(self.tried, key=lambda t: t.score)


def sweeps(study: Study, rows: Sequence[Row]) -> list[Sweep]:
    """One a dataset and learner that was swept; of its policies those in the study."""
    found = []
    for data in study.datasets:
        parents = {r.result.learner: r for r in rows if r.data is data and r.is_parent}
        for learner, policies in study.swept.items():
            tried = [
                Tried(policy, numbers, *parents[policy].score, _seeds(parents[policy]))
                for policy, numbers in policies.items()
                if policy in parents
            ]
            if not tried:
                continue
            names = tuple(tried[0].numbers)
            several = [n for n in names if len({t.numbers[n] for t in tried}) > 1]
            pictures = tuple(_picture(name, tried) for name in several)
            heat = _heat(several, tried) if len(several) == 2 else None
            made = Sweep(data.name, learner, names, tuple(tried), pictures, heat)
            found.append(made)
    return found


def _seeds(row: Row) -> tuple[float, ...]:
    """Scores of the training seeds, whose mean is the score."""
    returns = iqm(row.result.episodes.table())
    return tuple(row.data.score(float(value)) for value in returns)


def _heat(names: Sequence[str], tried: Sequence[Tried]) -> Heat | None:
    """A map of all combinations of two numbers; None where some are left out."""
    down, across = names
    at = {(t.numbers[down], t.numbers[across]): t for t in tried}
    rows, values = (tuple(sorted({key[i] for key in at})) for i in (0, 1))
    if len(at) != len(rows) * len(values) or len(at) != len(tried):
        return None
    low = min(t.score for t in tried)
    span = max(t.score for t in tried) - low or 1.0

    def cell(t: Tried) -> tuple[Tried, int]:
        return t, round(STRONGEST * (t.score - low) / span)

    cells = tuple((a, tuple(cell(at[a, b]) for b in values)) for a in rows)
    return Heat(down, across, values, cells)


def _picture(name: str, tried: Sequence[Tried]) -> Picture:
    """Score against one number; lines join what differs in nothing else."""
    width, height = 540, 300
    values = [t.numbers[name] for t in tried]
    log = min(values) > 0 and max(values) >= DECADES * min(values)
    x = Scale(*padded(values, 0.08, log=log), 46, width - 14, log=log)
    ends = [end for t in tried for end in (t.low, t.high, *t.seeds)]
    y = Scale(*padded(ends, 0.1), height - 46, 30)
    drawn: list[str] = [axes(x, y, words.short, words.short, titles=(name, "score"))]
    groups, legend = _groups(name, tried), []
    for number, group in enumerate(groups):
        colour, shape = number % COLOURS, number // COLOURS
        aside = DODGE * (number - (len(groups) - 1) / 2) / max(1, len(groups) / 4)
        places = [(x(t.numbers[name]) + aside, y(t.score)) for t in group]
        if len(group) > 1:
            drawn.append(tag("g", path(places, "stroke"), class_=f"c{colour}"))
        for t, (at, up) in zip(group, places, strict=True):
            score = f"{words.number(t.score)} {words.interval(t.low, t.high)}"
            dots = [
                tag("circle", cx=at + ASIDE, cy=y(seed), r=2.6, class_="mark")
                for seed in t.seeds
            ]
            drawn.append(
                tag(
                    "g",
                    line(at, y(t.low), at, y(t.high), "whisker"),
                    *dots,
                    tag("circle", cx=at, cy=up, r=11, class_="reach"),
                    mark(shape, at, up, "", 1.15),
                    class_=f"point c{colour}",
                    data_tip=f"{t.policy}\n{score}",
                    tabindex="0",
                )
            )
        others = [f"{k} {words.short(v)}" for k, v in group[0].numbers.items()]
        others = [text for text in others if text.rpartition(" ")[0] != name]
        legend.append((symbol(colour, shape), ", ".join(others)))
    picture = svg(width, height, f"Score against {name}", *drawn, class_="picture")
    return Picture(name, picture, tuple(legend) if len(groups) > 1 else ())


def _groups(name: str, tried: Sequence[Tried]) -> list[list[Tried]]:
    """Configurations that differ in one number alone, by that number."""
    groups: dict[tuple[float, ...], list[Tried]] = {}
    for t in tried:
        others = tuple(value for key, value in t.numbers.items() if key != name)
        groups.setdefault(others, []).append(t)
    return [
        sorted(group, key=lambda t: t.numbers[name])
        for _, group in sorted(groups.items())
    ]
