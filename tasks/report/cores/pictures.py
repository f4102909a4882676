"""The report's pictures: Pareto scatter, learning curve, histogram, interval strip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tasks.report.cores import words
from tasks.report.cores.svg import Scale, axes, line, mark, padded, path, svg, tag

WIDE = 200  # of a strip
Floats = NDArray[np.float64]
BESIDE = ((9, -8, ""), (-9, -8, "end"), (9, 16, ""), (-9, 16, "end"))


@dataclass(frozen=True)
class Point:
    """One variant in a scatter.

    Attributes:
        key: Ties the mark to its rows in the tables.
        label: Drawn beside it where it lies on the front.
        tip: Shown on hover and focus.
        x: Cost; smaller is better.
        y: Score with its interval ``low``..``high``; larger is better.
        colour: Class number.
        shape: Shape number.
    """

    key: str
    label: str
    tip: str
    x: float
    y: float
    low: float
    high: float
    colour: int
    shape: int


def front(points: Sequence[Point]) -> list[Point]:
    """Those no other point beats in both cost and score, by cost."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def scatter(
    points: Sequence[Point],
    title: str,
    x_name: str,
    x_format: Callable[[float], str],
    level: tuple[str, float],
) -> Markup:
    """Score against a cost on a log axis, with intervals and the Pareto front.

    Args:
        points: At least one.
        title: Read aloud.
        x_name: Cost and unit.
        x_format: Of the ticks.
        level: Name and score of the dashed line.
    """
    width, height = 540, 350
    x = Scale(*padded([p.x for p in points], 0.09, log=True), 46, width - 14, log=True)
    ends = [v for p in points for v in (p.low, p.high)]
    y = Scale(*padded([*ends, level[1]], 0.1), height - 46, 30)
    best = front(points)
    steps: list[tuple[float, float]] = []
    for a, b in zip(best, [*best[1:], None], strict=True):
        steps += [(x(a.x), y(a.y)), (x(b.x) if b else x.end, y(a.y))]
    drawn: list[str] = [
        axes(x, y, x_format, words.short, titles=(x_name, "")),
        line(x.start, y(level[1]), x.end, y(level[1]), "level"),
        tag("text", level[0], x=x.start + 4, y=y(level[1]) - 5, class_="note"),
        path(steps, "front"),
    ]
    for p in sorted(points, key=lambda p: p in best):
        at = x(p.x)
        drawn.append(
            tag(
                "g",
                line(at, y(p.low), at, y(p.high), "whisker"),
                tag("circle", cx=at, cy=y(p.y), r=11, class_="reach"),
                mark(p.shape, at, y(p.y), "", 1.15),
                class_=f"point c{p.colour}{'' if p in best else ' behind'}",
                data_key=p.key,
                data_tip=p.tip,
                tabindex="0",
            )
        )
    drawn.append(_labels(points, best, x, y))
    return svg(width, height, title, *drawn, class_="picture")


def _labels(
    points: Sequence[Point], best: Sequence[Point], x: Scale, y: Scale
) -> Markup:
    """Names of the front, where they meet no mark, no name and, if so, no whisker."""
    taken = [(x(p.x) - 6, y(p.y) - 6, x(p.x) + 6, y(p.y) + 6) for p in points]
    whiskers = [(x(p.x) - 1, y(p.high), x(p.x) + 1, y(p.low)) for p in points]
    drawn = []
    for p in reversed(best):
        above = y(p.high) - y(p.y) - 6
        over = [(0, above, "mid"), (-7, above, ""), (7, above, "end")]
        over += [(dx, dy - 15, anchor) for dx, dy, anchor in over]
        places = [(_label(p, x, y, place), place) for place in (*BESIDE, *over)]
        inside = [
            (box, place)
            for box, place in places
            if x.start < box[0] and box[2] < x.end and 0 < box[1] < y.start - 13
        ]
        free = [
            (box, place)
            for avoided in (taken + whiskers, taken)
            for box, place in inside
            if not any(_meet(box, other) for other in avoided)
        ]
        if free:
            box, (dx, dy, anchor) = free[0]
            taken.append(box)
            at = {"x": x(p.x) + dx, "y": y(p.y) + dy}
            drawn.append(tag("text", p.label, **at, class_=f"label {anchor}"))
    return Markup().join(drawn)


def _label(p: Point, x: Scale, y: Scale, place: tuple[float, float, str]) -> "Box":
    """The room a point's name needs at a place beside it."""
    dx, dy, anchor = place
    wide = 6.4 * len(p.label)
    left = x(p.x) + dx - {"": 0.0, "end": wide, "mid": wide / 2}[anchor]
    return left, y(p.y) + dy - 10, left + wide, y(p.y) + dy + 3


Box = tuple[float, float, float, float]


def _meet(a: Box, b: Box) -> bool:
    """Whether two boxes overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def curve(name: str, band: Floats, colour: int) -> Markup:
    """One metric over updates: mean line, band from the lowest to the highest seed.

    Args:
        name: The metric.
        band: (4, N), finite: update, lowest seed, highest seed, mean over seeds.
        colour: Class number.
    """
    return overlay(name, [(band, colour)])


def overlay(
    name: str,
    bands: Sequence[tuple[Floats, int]],
    size: tuple[int, int] = (280, 165),
) -> Markup:
    """As :func:`curve`, several on the same axes; the first lies lowest."""
    width, height = size
    bands = [(band, colour) for band, colour in bands if band.shape[1] >= 2]
    if not bands:
        return Markup()
    updates = [float(u) for band, _ in bands for u in band[0]]
    x = Scale(min(updates), max(updates), 46, width - 12)
    ends = [float(v) for band, _ in bands for v in (*band[1], *band[2])]
    y = Scale(*padded(ends), height - 26, 30)

    def points(band: Floats, row: int) -> list[tuple[float, float]]:
        return [(x(u), y(v)) for u, v in zip(band[0], band[row], strict=True)]

    areas = [
        path([*points(band, 2), *reversed(points(band, 1))], f"band c{c}", close=True)
        for band, c in bands
    ]
    return svg(
        width,
        height,
        f"{name} over updates",
        tag("text", name.replace("_", " "), x=0, y=14, class_="name"),
        axes(x, y, _thousands, words.short, counts=(3, 3)),
        *areas,
        *(path(points(band, 3), f"stroke c{c}") for band, c in bands),
        class_="small",
    )


def _thousands(value: float) -> str:
    """20000 as 20k."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def histogram(
    edges: Sequence[float], counts: Sequence[float], levels: Sequence[tuple[str, float]]
) -> Markup:
    """Counts of episodes by return.

    Args:
        edges: One more than counts, rising.
        counts: Episodes.
        levels: Names and places of upright lines.
    """
    width, height = 540, 210
    x = Scale(edges[0], max(edges[-1], edges[0] + 1e-9), 46, width - 14)
    y = Scale(0, max(counts) * 1.08 or 1, height - 46, 34)
    bars = [
        tag(
            "rect",
            x=x(a) + 0.5,
            y=y(n),
            width=max(x(b) - x(a) - 1, 0.5),
            height=y.start - y(n),
            class_="bar",
            data_tip=f"{words.number(a, 0)} to {words.number(b, 0)}: {n:g} episodes",
        )
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    inside = sorted((v, n) for n, v in levels if edges[0] <= v <= edges[-1])
    lines = [
        part
        for rank, (value, name) in enumerate(inside)
        for part in (
            line(x(value), y.start, x(value), y.end - 4, "level"),
            tag(
                "text",
                name,
                x=x(value) + (3 if rank else -3),
                y=y.end - 4,
                class_="note" if rank else "note end",
            ),
        )
    ]
    return svg(
        width,
        height,
        "Histogram of episode returns",
        axes(
            x,
            y,
            words.short,
            words.short,
            titles=("return of an episode", ""),
            counts=(6, 4),
        ),
        *bars,
        *lines,
        class_="picture",
    )


def strip(
    span: tuple[float, float],
    levels: Sequence[float],
    value: tuple[float, float, float] | float,
    colour: int | None,
    shape: int = 0,
) -> Markup:
    """A score on the line all rows of a table share.

    Args:
        span: Ends of the line.
        levels: Places of the upright lines.
        value: (low, score, high), or a score without an interval.
        colour: Class number; None for a reference.
        shape: Shape number.
    """
    x = Scale(*span, 4, WIDE - 4)
    low, score, high = (value,) * 3 if isinstance(value, int | float) else value
    return svg(
        WIDE,
        22,
        f"{words.number(score)} {words.interval(low, high)}",
        line(4, 11, WIDE - 4, 11, "grid"),
        *(line(x(v), 0, x(v), 22, "level") for v in levels),
        line(x(low), 11, x(high), 11, "whisker"),
        mark(shape, x(score), 11, "", 0.8),
        class_=f"strip {'plain' if colour is None else f'c{colour}'}",
    )


def ruler(span: tuple[float, float], levels: Sequence[tuple[str, float]]) -> Markup:
    """The head of a column of strips: a name above each upright line."""
    x = Scale(*span, 4, WIDE - 4)
    names = [tag("text", name, x=x(v), y=16, class_="tick mid") for name, v in levels]
    return svg(WIDE, 22, "", *names, class_="strip")


def symbol(colour: int | None, shape: int) -> Markup:
    """A mark for legends and tables."""
    name = "plain" if colour is None else f"c{colour}"
    return svg(14, 14, "", mark(shape, 7, 7, ""), class_=f"symbol {name}")
