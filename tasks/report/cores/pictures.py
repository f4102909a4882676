"""The report's pictures: learning curve, histogram, interval strip."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from tasks.report.cores import words
from tasks.report.cores.svg import Scale, axes, line, mark, padded, path, svg, tag

WIDE = 200  # of a strip
Floats = NDArray[np.float64]


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
