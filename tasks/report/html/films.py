"""The file to ship beside its parent: both from the same start, drawn side by side.

A film is no result: where nothing can be played or drawn here the page says why in a
line, and the report is written all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from tasks.report.cores.words import number
from tasks.report.engine.judge import Row
from tasks.report.engine.result import Result
from tasks.report.engine.shipped import file_of, seed_of

if TYPE_CHECKING:  # simulators are imported where a film is asked for
    from tasks.report.engine.acting import Pace, Take
    from tasks.worlds import World

LIMIT = 750_000  # bytes of all films of a page


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: Learner / variant.
        whole: The return of the whole episode, as the evaluation had it.
        picture: What moves; empty where one picture holds both sides.
        returns: What had been earned by each moment, for the line below a picture.
    """

    name: str
    whole: float
    picture: Markup
    returns: list[float]


@dataclass(frozen=True)
class Film:
    """What a page shows of one dataset.

    Attributes:
        dataset: Its name.
        seed: The training seed of both files.
        start: The start seed of the episode.
        steps: Of the episode that are shown.
        step: Seconds that one lasts.
        each: Seconds of the film from one moment to the next.
        sides: The parent and the file to ship; none where there is no film.
        both: The picture of both, if it is one.
        why: Why there is none, in a line.
    """

    dataset: str
    seed: int = 0
    start: int = 0
    steps: int = 0
    step: float = 0.0
    each: float = 0.0
    sides: Sequence[Side] = ()
    both: Markup = Markup()  # noqa: RUF009
    why: str = ""


def films(choices: Sequence[Row], seconds: int, acting: str) -> list[Film]:
    """A film of each file to ship.

    Args:
        choices: What is shipped, one a dataset.
        seconds: Of a film; 0: there are none.
        acting: Noise, as of ``evaluate.returns.acting``.
    """
    made = []
    for choice in choices if seconds else ():
        try:
            made.append(_film(choice, seconds, acting, LIMIT // len(choices)))
        except Exception as error:  # a library may fail on a machine in its own way
            lines = str(error).splitlines() or [type(error).__name__]
            made.append(Film(choice.data.name, why=lines[0]))
    return made


def _film(choice: Row, seconds: int, acting: str, limit: int) -> Film:
    """Play both and draw them, in so many bytes."""
    from tasks.report.engine.acting import Filmed, Pace, short_world

    data, results = choice.data, (choice.parent, choice.result)
    seed, start = seed_of(choice.result), int(choice.result.episodes.start_seed[0])
    dataset = Path("data/datasets") / f"{data.name}-v0"
    step = short_world(dataset, 1).step_seconds
    pace = Pace.of(step, seconds)
    steps = pace.every * (pace.count - 1)
    world = short_world(dataset, steps)
    takes = [
        Filmed.of(Path(file_of(result, seed)), result.metrics["mode"], world).take(
            start, acting, steps
        )
        for result in results
    ]
    length = max(len(take.states) - 1 for take in takes)
    pace = pace.no_longer(length)
    named = [f"{result.learner} / {result.variant}" for result in results]
    pictures, both = _drawn(world, takes, named, pace, limit)
    sides = [
        Side(name, _whole(result, seed, start), picture, take.frames(pace)[1])
        for name, result, picture, take in zip(
            named, results, pictures, takes, strict=True
        )
    ]
    return Film(data.name, seed, start, length, step, pace.each, sides, both)


def _drawn(
    world: "World",
    takes: "Sequence[Take]",
    named: Sequence[str],
    pace: "Pace",
    limit: int,
) -> tuple[list[Markup], Markup]:
    """A picture a side, or one of both."""
    from tasks.report.cores.drawn import animated, drawing
    from tasks.report.cores.rendered import model_of, rendered, side_by_side

    frames = [take.frames(pace) for take in takes]
    if draw := drawing(world):
        return [
            animated(draw, world, states, pace.each, f"{name} acts")
            for (states, _), name in zip(frames, named, strict=True)
        ], Markup()
    sides = [
        (np.stack([s["qpos"] for s in states]), np.stack([s["qvel"] for s in states]))
        for states, _ in frames
    ]
    texts = [
        [_line(i, returns, take, pace) for i in range(pace.count)]
        for (_, returns), take in zip(frames, takes, strict=True)
    ]
    pictures = rendered(model_of(world), sides)
    label = f"{' and '.join(named)} act from the same start"
    return [Markup()] * 2, side_by_side(pictures, texts, pace.each, limit, label)


def _line(i: int, returns: Sequence[float], take: "Take", pace: "Pace") -> str:
    """What stands below a picture."""
    over = take.ended and pace.every * i >= len(take.states) - 1
    said = ", over" if over else f"   {pace.each * i:.1f} s"
    return f"return {number(returns[i])}{said}"


def _whole(result: Result, seed: int, start: int) -> float:
    """The return of an episode, as it was evaluated."""
    table = result.episodes
    row = (table.seed == seed) & (table.start_seed == start)
    return float(table.returns[row][0])
