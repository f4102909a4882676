"""The picture's text: boxes for stages, bands for folders, lines from top to bottom."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from flows.picture.groups import Node
from flows.picture.layers import Place, placed, rows

WIDE, HIGH = 212, 44  # of a stage's box
FOLDER_HIGH = 22
GAP, BETWEEN, MARGIN = 16, 34, 14
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #57606a; text-anchor: middle }
.name { font-size: 13px; font-weight: 600; fill: #1f2328 }
.box { fill: #ffffff; stroke: #8c959f }
.default .box { fill: #ddf4ff; stroke: #0969da }
.folder .box { fill: #eaeef2; stroke: none }
.line { fill: none; stroke: #8c959f }
.tip { fill: #8c959f }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.name { fill: #f0f6fc }
.box { fill: #0d1117; stroke: #656c76 }
.default .box { fill: #12283f; stroke: #4493f8 }
.folder .box { fill: #262c36; stroke: none }
.line { stroke: #656c76 }
.tip { fill: #656c76 }
}
"""
TIP = (
    '<marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" '
    'markerHeight="6" orient="auto-start-reverse">'
    '<path class="tip" d="M0 0L6 3L0 6Z"/></marker>'
)


def drawn(nodes: Sequence[Node]) -> str:
    """The graph as SVG, for light and dark pages.

    Args:
        nodes: Each after all that it reads.
    """
    reads = {node.name: node.reads for node in nodes}
    folders = {node.name for node in nodes if not node.purpose}
    loops = {node.name for node in nodes if node.loop}
    middle, lines = placed(reads, dict.fromkeys(reads, float(WIDE)), GAP)
    left = min(middle[place] - WIDE / 2 for place in middle) - MARGIN
    right = max(middle[place] + WIDE / 2 for place in middle) + MARGIN
    row = rows(reads)
    high = [
        FOLDER_HIGH if names <= folders else HIGH
        for r in range(max(row.values()) + 1)
        for names in [{name for name in row if row[name] == r}]
    ]
    top = [MARGIN + sum(high[:r]) + BETWEEN * r for r in range(len(high))]

    def end(place: Place, *, below: bool) -> tuple[float, float]:
        name, r = place
        own = FOLDER_HIGH if name in folders else HIGH if name in reads else high[r]
        y = top[r] + high[r] / 2 + (own / 2 if below else -own / 2)
        return middle[place] - left, y

    parts = [
        _line(
            [(*end(a, below=True), *end(b, below=False)) for a, b in pairwise(way)],
            tips="both" if way[0][0] in loops and way[-1][0] in folders else "end",
        )
        for way in lines
    ]
    for node in nodes:
        x, y = end((node.name, row[node.name]), below=False)
        parts.append(_box(node, x, y))
    height = top[-1] + high[-1] + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right - left:.0f} '
            f'{height:.0f}" role="img" aria-label="The graph by groups of stages">',
            f"<style>{STYLE}</style>",
            TIP,
            *parts,
            "</svg>\n",
        ]
    )


def _line(steps: Sequence[tuple[float, float, float, float]], tips: str) -> str:
    """A line through places, from the bottom of one to the top of the next."""
    path = ""
    for x, y, to_x, to_y in steps:
        half = (y + to_y) / 2
        path += f"{'L' if path else 'M'}{x:.0f} {y:.0f}C{x:.0f} {half:.0f} "
        path += f"{to_x:.0f} {half:.0f} {to_x:.0f} {to_y:.0f}"
    start = ' marker-start="url(#tip)"' if tips == "both" else ""
    return f'<path class="line" d="{path}"{start} marker-end="url(#tip)"/>'


def _box(node: Node, x: float, y: float) -> str:
    """A node's box, its top's middle at (x, y)."""
    high = HIGH if node.purpose else FOLDER_HIGH
    size = f'width="{WIDE}" height="{high}" rx="6"'
    box = f'<rect class="box" x="{x - WIDE / 2:.0f}" y="{y:.0f}" {size}/>'
    if not node.purpose:
        return f'<g class="folder">{box}{_text(f"{node.name}/", x, y + 15)}</g>'
    name = _text(node.name, x, y + 18, ' class="name"')
    kind = ' class="default"' if node.default else ""
    return f"<g{kind}>{box}{name}{_text(node.purpose, x, y + 34)}</g>"


def _text(said: str, x: float, y: float, kind: str = "") -> str:
    return f'<text{kind} x="{x:.0f}" y="{y:.0f}">{escape(said)}</text>'
