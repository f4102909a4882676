"""The few parts pictures are made of: escaped tags, scales, axes and marks.

Colours are classes (``c0`` ...), not values, so that one style sheet serves light,
dark and print.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

COLOURS = 6
SHAPES = (
    "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0Z",  # circle
    "M-4,-4H4V4H-4Z",  # square
    "M0,-5.2L5,4H-5Z",  # triangle
    "M0,-5.6L5.2,0L0,5.6L-5.2,0Z",  # diamond
    "M0,5.2L5,-4H-5Z",  # triangle down
    "M-1.7,-5.2H1.7V-1.7H5.2V1.7H1.7V5.2H-1.7V1.7H-5.2V-1.7H-1.7Z",  # plus
    "M0,-5.4L4.7,-2.7V2.7L0,5.4L-4.7,2.7V-2.7Z",  # hexagon
    "M-5,-4.2L0,-1.6L5,-4.2L2.2,0L5,4.2L0,1.6L-5,4.2L-2.2,0Z",  # cross
)


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """One element; text and attributes are escaped.

    Args:
        name: Element name.
        *children: Elements, or text.
        **attributes: ``class_`` is class, other ``_`` are ``-``; None is left out.
    """
    written = Markup().join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _text(value))
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup().join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")  # noqa: S704


def _text(value: object) -> str:
    """Numbers short, everything else as it is."""
    return (
        f"{value:.2f}".rstrip("0").rstrip(".")
        if isinstance(value, float)
        else str(value)
    )


def svg(width: int, height: int, label: str, *children: str, **more: object) -> Markup:
    """A picture that scales with its box; ``label`` is read aloud, if any."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {width} {height}",
        role="img" if label else None,
        aria_label=label or None,
        aria_hidden=None if label else "true",
        **more,
    )


@dataclass(frozen=True)
class Scale:
    """A map from values to places, linear or logarithmic.

    Attributes:
        low: Value at ``start``; positive if ``log``.
        high: Value at ``end``.
        start: Place, user units.
        end: Place, user units.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self, count: int = 5) -> list[float]:
        """About ``count`` round values inside."""
        if not self.log:
            return linear_ticks(self.low, self.high, count)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7)):
            found = [
                step * 10.0**power
                for power in range(first, last + 1)
                for step in steps
                if self.low <= step * 10.0**power <= self.high
            ]
            if len(found) >= min(count, 4):
                return found
        return linear_ticks(self.low, self.high, count)


def linear_ticks(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def padded(
    values: Sequence[float], share: float = 0.06, *, log: bool = False
) -> tuple[float, float]:
    """The range of values with room at both ends."""
    low, high = min(values), max(values)
    if log:
        factor = max((high / low) ** share, 1.15)
        return low / factor, high * factor
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room


def axes(
    x: Scale,
    y: Scale,
    x_format: Callable[[float], str],
    y_format: Callable[[float], str],
    *,
    titles: tuple[str, str] = ("", ""),
    counts: tuple[int, int] = (5, 5),
) -> Markup:
    """Grid, tick labels and titles; the y title stands above, level."""
    parts = []
    for value in y.ticks(counts[1]):
        at = y(value)
        parts += [
            tag("line", x1=x.start, x2=x.end, y1=at, y2=at, class_="grid"),
            tag("text", y_format(value), x=x.start - 7, y=at + 4, class_="tick end"),
        ]
    for value in x.ticks(counts[0]):
        at = x(value)
        parts += [
            tag("line", x1=at, x2=at, y1=y.start, y2=y.start + 4, class_="axis"),
            tag("text", x_format(value), x=at, y=y.start + 17, class_="tick mid"),
        ]
    parts += [
        tag("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis"),
        tag("text", titles[0], x=x.end, y=y.start + 35, class_="name end"),
        tag("text", titles[1], x=0, y=y.end - 12, class_="name"),
    ]
    return Markup().join(parts)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def path(
    points: Sequence[tuple[float, float]], class_: str, *, close: bool = False
) -> Markup:
    """A line through points."""
    drawn = "L".join(f"{a:.1f},{b:.1f}" for a, b in points)
    return tag("path", d=f"M{drawn}{'Z' if close else ''}", class_=class_)


def mark(shape: int, x: float, y: float, class_: str, scale: float = 1.0) -> Markup:
    """One of the shapes, centred; past the last they begin again, hollow."""
    hollow = " hollow" if shape >= len(SHAPES) else ""
    return tag(
        "path",
        d=SHAPES[shape % len(SHAPES)],
        transform=f"translate({x:.1f} {y:.1f}) scale({scale:g})",
        class_=f"mark {class_}{hollow}",
    )
