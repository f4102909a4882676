"""How often the rule of claims says "shown": ``python -m tests.claims.simulation``.

Replicates of a design are drawn many times without an effect, with the smallest one
worth seeing, and with others, and judged as a claim's primary check is. Writes
docs/claims_rule.svg. Beside normal replicates stand differences of bimodal arms, as
scores are of policies that either walk or fall.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.claims import Check
from tasks.claims.cores.figures import of_replicates
from tasks.statistics.replicates import mean_of

FIGURE = Path(__file__).parents[2] / "docs/claims_rule.svg"
REPEATS = 20_000
FALLS = 0.25  # of the replicates of a bimodal arm


@dataclass(frozen=True)
class Design:
    """Of a claim: replicates, their deviation, the smallest effect worth seeing."""

    n: int
    sd: float
    smallest: float


# n, pilot's deviation and smallest effect of params/claims; riql has no pilot, its
# deviation is what eight replicates are enough for
DESIGNS = {
    "trajectory_weighting": Design(8, 15.1, 20.0),
    "riql": Design(8, 3.3, 4.0),
    "quest": Design(5, 0.021, 0.04),
}


def normal(draw: np.random.Generator, shape: tuple[int, int]) -> Any:
    """Mean 0, deviation 1."""
    return draw.normal(size=shape)


def bimodal(draw: np.random.Generator, shape: tuple[int, int]) -> Any:
    """The difference of two arms in each of which one in four lies far lower."""
    within = 0.5
    apart = ((1 - within**2) / (FALLS * (1 - FALLS))) ** 0.5
    arms = [
        within * draw.normal(size=shape) - apart * (draw.random(shape) < FALLS)
        for _ in range(2)
    ]
    return (arms[0] - arms[1]) / 2**0.5


def shown(design: Design, effect: float, noise: Callable[..., Any] = normal) -> float:
    """Share of repetitions in which the whole interval lies above 0.

    Args:
        design: Whose replicates are drawn.
        effect: True excess over the bound, in the design's unit.
        noise: What draws replicates of mean 0 and deviation 1.
    """
    n = design.n
    values = effect + design.sd * noise(np.random.default_rng(0), (REPEATS, n))
    means, errors = values.mean(1), values.std(1, ddof=1) / n**0.5
    some = mean_of(
        values[0]
    )  # how many errors the interval reaches, as the rule has it
    reach = (some.high - some.value) / errors[0]
    return float((means - reach * errors > 0).mean())


def verdict(design: Design, values: Any) -> str:
    """What the rule says of one repetition."""
    figure = of_replicates("gain", values)
    return Check(figure, 0.0, design.smallest, design.sd).verdict


def picture() -> str:
    """Share shown against the true effect in parts of the smallest, as SVG."""
    colours = ("#1b6ca8", "#c4572e", "#3a7d44")
    effects = np.linspace(0, 2, 21)
    left, top, width, height = 60, 20, 420, 240
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 310" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="640" height="310" fill="white"/>',
    ]

    def at(effect: float, share: float) -> str:
        return f"{left + width * effect / 2:.1f},{top + height * (1 - share):.1f}"

    for share in (0, 0.25, 0.5, 0.75, 1):
        y = top + height * (1 - share)
        lines.append(
            f'<path d="M{left} {y:g}H{left + width}" stroke="#ddd"/>'
            f'<text x="{left - 8}" y="{y + 4:g}" text-anchor="end">{share:.0%}</text>'
        )
    for effect in (0, 0.5, 1, 1.5, 2):
        x = left + width * effect / 2
        text = f'<text x="{x:g}" y="{top + height + 18}" text-anchor="middle">'
        lines.append(f"{text}{effect:g}</text>")
    x, y = left + width / 2, top + height + 38
    what = "true effect / smallest effect worth seeing"
    lines.append(f'<text x="{x:g}" y="{y}" text-anchor="middle">{what}</text>')
    for k, ((name, design), colour) in enumerate(
        zip(DESIGNS.items(), colours, strict=True)
    ):
        shares = [shown(design, e * design.smallest) for e in effects]
        points = " ".join(at(*pair) for pair in zip(effects, shares, strict=True))
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
        text = f'<text x="{left + width + 12}" y="{top + 60 + 20 * k}" fill="{colour}">'
        lines.append(f"{text}{name}</text>")
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    FIGURE.write_text(picture(), encoding="utf-8")
    for name, design in DESIGNS.items():
        row = [
            f"{100 * shown(design, effect, noise):.1f}"
            for noise in (normal, bimodal)
            for effect in (0.0, design.smallest)
        ]
        print(f"| {name} | {design.n} | {design.sd:g} | {design.smallest:g} |", *row)  # noqa: T201
