"""What the page shows of sweeps: each configuration's score beside its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.artifacts.sweep import Numbers
from tasks.report.cores import words
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

DECADES = 20.0  # from this ratio of the largest to the smallest on, a log axis


@dataclass(frozen=True)
class Tried:
    """One configuration.

    Attributes:
        policy: Its name.
        numbers: In which it differs from the others.
        low: End of the score's interval.
        score: Normalised, of its float32 files.
        high: The other end.
    """

    policy: str
    numbers: Numbers
    low: float
    score: float
    high: float


@dataclass(frozen=True)
class Sweep:
    """A learner's configurations on one dataset.

    Attributes:
        dataset: Its name.
        learner: Its name.
        names: Of the numbers that were swept.
        tried: In the order of the study.
        pictures: Score against each number of which there are several values.
    """

    dataset: str
    learner: str
    names: tuple[str, ...]
    tried: tuple[Tried, ...]
    pictures: tuple[tuple[str, Markup], ...]

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
                Tried(policy, numbers, *parents[policy].score)
                for policy, numbers in policies.items()
                if policy in parents
            ]
            if not tried:
                continue
            names = tuple(tried[0].numbers)
            pictures = tuple(
                (name, _picture(name, tried))
                for name in names
                if len({t.numbers[name] for t in tried}) > 1
            )
            found.append(Sweep(data.name, learner, names, tuple(tried), pictures))
    return found


def _picture(name: str, tried: Sequence[Tried]) -> Markup:
    """Score against one number; lines join what differs in nothing else."""
    width, height = 540, 300
    values = [t.numbers[name] for t in tried]
    log = min(values) > 0 and max(values) >= DECADES * min(values)
    x = Scale(*padded(values, 0.06, log=log), 46, width - 14, log=log)
    ends = [end for t in tried for end in (t.low, t.high)]
    y = Scale(*padded(ends, 0.1), height - 46, 30)
    drawn: list[str] = [axes(x, y, words.short, words.short, titles=(name, "score"))]
    for number, group in enumerate(_groups(name, tried)):
        colour = f"c{number % COLOURS}"
        places = [(x(t.numbers[name]), y(t.score)) for t in group]
        if len(group) > 1:
            drawn.append(tag("g", path(places, "stroke"), class_=colour))
        for t, (across, up) in zip(group, places, strict=True):
            score = f"{words.number(t.score)} {words.interval(t.low, t.high)}"
            drawn.append(
                tag(
                    "g",
                    line(across, y(t.low), across, y(t.high), "whisker"),
                    tag("circle", cx=across, cy=up, r=11, class_="reach"),
                    mark(number // COLOURS, across, up, "", 1.15),
                    class_=f"point {colour}",
                    data_tip=f"{t.policy}\n{score}",
                    tabindex="0",
                )
            )
    return svg(width, height, f"Score against {name}", *drawn, class_="picture")


def _groups(name: str, tried: Sequence[Tried]) -> list[list[Tried]]:
    """Configurations that differ in one number alone, by that number."""
    groups: dict[tuple[float, ...], list[Tried]] = {}
    for t in tried:
        others = tuple(value for key, value in t.numbers.items() if key != name)
        groups.setdefault(others, []).append(t)
    return [sorted(group, key=lambda t: t.numbers[name]) for group in groups.values()]
