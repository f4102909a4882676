"""Score against a cost: points with intervals, and the front among them, numbered."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tasks.report.cores import words
from tasks.report.cores.svg import Scale, axes, line, mark, padded, path, svg, tag

Box = tuple[float, float, float, float]  # left, top, right, bottom
# where a number may stand beside its mark, the first that is free
BESIDE = (
    (11, -6),
    (-11, -6),
    (11, 15),
    (-11, 15),
    (20, 4),
    (-20, 4),
    (0, -12),
    (0, 21),
)
WIDE, HIGH = 9.0, 12.0  # of a digit, as large as narrow screens draw it


@dataclass(frozen=True)
class Point:
    """One variant in a scatter.

    Attributes:
        key: Ties the mark to its rows in the tables.
        label: Its name.
        tip: Shown on hover and focus.
        cost: In words.
        x: Cost; smaller is better.
        y: Score with its interval ``low``..``high``; larger is better.
        colour: Class number.
        shape: Shape number.
    """

    key: str
    label: str
    tip: str
    cost: str
    x: float
    y: float
    low: float
    high: float
    colour: int
    shape: int


def front(points: Sequence[Point], apart: float = 0.0) -> list[Point]:
    """Those no other point beats in both cost and score, by cost.

    Args:
        points: All of them.
        apart: Costs differ only by more than this share.
    """
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not best or point.y > best[-1].y:
            while best and point.x <= best[-1].x * (1 + apart):
                best.pop()  # worse, and cheaper by no more than chance
            best.append(point)
    return best


def scatter(
    points: Sequence[Point],
    best: Sequence[Point] | None,
    title: str,
    x_name: str,
    level: tuple[str, float],
) -> Markup:
    """Score against a cost on a log axis, with intervals.

    Args:
        points: At least one.
        best: Their front, whose points get the numbers 1, 2, ...; None: they cannot be
            ranked, so that no front is drawn and all are grey.
        title: Read aloud.
        x_name: Cost and unit.
        level: Name and score of the dashed line.
    """
    width, height = 540, 350
    x = Scale(*padded([p.x for p in points], 0.09, log=True), 46, width - 14, log=True)
    ends = [v for p in points for v in (p.low, p.high)]
    y = Scale(*padded([*ends, level[1]], 0.1), height - 46, 30)
    known = list(best or ())
    steps: list[tuple[float, float]] = []
    for a, b in zip(known, [*known[1:], None], strict=False):
        steps += [(x(a.x), y(a.y)), (x(b.x) if b else x.end, y(a.y))]
    drawn: list[str] = [
        axes(x, y, words.short, words.short, titles=(x_name, "score")),
        line(x.start, y(level[1]), x.end, y(level[1]), "level"),
        *([path(steps, "front")] if steps else []),
    ]
    for p in sorted(points, key=lambda p: p in known):
        at = x(p.x)
        drawn.append(
            tag(
                "g",
                line(at, y(p.low), at, y(p.high), "whisker"),
                tag("circle", cx=at, cy=y(p.y), r=11, class_="reach"),
                mark(p.shape, at, y(p.y), "", 1.15),
                class_=f"point c{p.colour}{'' if p in known else ' behind'}",
                data_key=p.key,
                data_tip=p.tip,
                tabindex="0",
            )
        )
    marks, whiskers = _boxes(points, x, y)
    note, named = _note(level, x, y, marks + whiskers)
    drawn += [note, _numbers(known, x, y, [named, *marks], whiskers)]
    grey = " grey" if best is None else ""
    return svg(width, height, title, *drawn, class_=f"picture{grey}")


def _boxes(points: Sequence[Point], x: Scale, y: Scale) -> tuple[list[Box], list[Box]]:
    """Where marks are, and whiskers."""
    marks = [(x(p.x) - 6, y(p.y) - 6, x(p.x) + 6, y(p.y) + 6) for p in points]
    return marks, [(x(p.x) - 1, y(p.high), x(p.x) + 1, y(p.low)) for p in points]


def _note(
    level: tuple[str, float], x: Scale, y: Scale, taken: Sequence[Box]
) -> tuple[Markup, Box]:
    """The name of the dashed line, at that place along it which meets the least."""
    name, at = level[0], y(level[1])
    wide = 7.0 * len(name)
    room = x.end - x.start - wide - 8
    places = [
        (x.start + 4 + room * share, at + down)
        for share in (0, 1, 0.5, 0.25, 0.75)
        for down in (-5, 14)
    ]
    boxes = [(a, b - HIGH, a + wide, b + 3) for a, b in places]
    met = [sum(_meet(box, other) for other in taken) for box in boxes]
    best = met.index(min(met))
    left, down = places[best]
    return tag("text", name, x=left, y=down, class_="note label"), boxes[best]


def _numbers(
    best: Sequence[Point], x: Scale, y: Scale, taken: list[Box], whiskers: list[Box]
) -> Markup:
    """Numbers of the front, where they meet none of what is taken.

    If there is room, they meet no whisker either.
    """
    drawn = []
    for number, p in enumerate(best, 1):
        half = WIDE * len(f"{number}") / 2
        places = [(x(p.x) + dx, y(p.y) + dy) for dx, dy in BESIDE]
        boxes = [(a - half, b - HIGH, a + half, b + 1) for a, b in places]
        free = [
            (place, box)
            for avoided in (taken + whiskers, taken)
            for place, box in zip(places, boxes, strict=True)
            if not any(_meet(box, other) for other in avoided)
        ]
        if free:
            (across, down), box = free[0]
            taken.append(box)
            at = {"x": across, "y": down}
            drawn.append(tag("text", f"{number}", **at, class_="label mid"))
    return Markup().join(drawn)


def _meet(a: Box, b: Box) -> bool:
    """Whether two boxes overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
