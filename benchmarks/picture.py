"""The picture of training: bars beside d3rlpy's, drawn from results.json alone."""

from typing import Any

from benchmarks.speed import HALF, OURS, PEER, SINGLE, figure, hidden, speeds, ways
from tasks.report.cores.svg import Scale, line, svg, tag

SHOWN = (HALF, OURS, SINGLE, "d3rlpy, all cores", PEER)
WIDTH, LEFT, RIGHT, TOP, BAR, GAP = 760, 112, 150, 62, 15, 14
STYLE = """
text{font:12px system-ui,sans-serif;fill:#333}
.head{font-size:15px;font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}
.grid{stroke:#ddd}.range{stroke:#333;stroke-width:1.2}
.b0{fill:#7b3fa0}.b1{fill:#2b6cb0}.b2{fill:#b7791f}.b3{fill:#a0aec0}.b4{fill:#718096}
@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.range{stroke:#ddd}}
"""


def multiples(row: dict[str, Any], way: str) -> list[float]:
    """How many times faster than d3rlpy as it comes a way is, in each round."""
    rounds = [measured["speeds"] for measured in row["rounds"]]
    return [speed[way] / speed[PEER] for speed in rounds]


def shown(row: dict[str, Any]) -> list[str]:
    """The ways of a row that are drawn, in order."""
    return [way for way in SHOWN if way in ways(row)]


def draw(train: dict[str, Any]) -> str:
    """Draw the picture.

    Args:
        train: What was measured of training, as in results.json.

    Returns:
        The text of an SVG file: the median of the rounds is a bar, least and most a
        line over it, the speed stands beside.
    """
    rows = train["rows"]
    most = max(max(multiples(row, way)) for row in rows for way in shown(row))
    x = Scale(0, most, LEFT, WIDTH - RIGHT)
    bars, at = [], float(TOP + 30)
    for row in rows:
        middle = at + BAR * len(shown(row)) / 2 + 4
        name = f"{row['learner']} {hidden(row)}"
        bars.append(tag("text", name, x=LEFT - 10, y=middle, class_="end"))
        for way in shown(row):
            times, centre = figure(multiples(row, way)), at + (BAR - 2) / 2
            colour, long = f"b{SHOWN.index(way)}", x(times.median) - LEFT
            box = {"x": LEFT, "y": at, "width": long, "height": BAR - 2}
            bars.append(tag("rect", class_=colour, **box))
            bars.append(line(x(times.least), centre, x(times.most), centre, "range"))
            label = f"{speeds(row, way).median:.0f}/s, {times.median:.1f} x"
            bars.append(tag("text", label, x=x(times.most) + 6, y=at + 11))
            at += BAR
        at += GAP
    grid = []
    for tick in x.ticks(6):
        grid.append(line(x(tick), TOP + 24, x(tick), at - GAP + 4, "grid"))
        grid.append(tag("text", f"{tick:g}", x=x(tick), y=TOP + 18, class_="mid"))
    legend, place = [], LEFT
    for i, way in enumerate(SHOWN):
        if any(way in ways(row) for row in rows):
            box = {"x": place, "y": 30, "width": 10, "height": 10}
            legend.append(tag("rect", class_=f"b{i}", **box))
            legend.append(tag("text", way, x=place + 14, y=39))
            place += 24 + 7 * len(way)
    title = "Updates x seeds a second, as multiples of d3rlpy as it comes"
    head = tag("text", title, x=0, y=16, class_="head")
    size = WIDTH, round(at)
    parts = [tag("style", STYLE), head, *legend, *grid, *bars]
    drawn = svg(*size, title, *parts, xmlns="http://www.w3.org/2000/svg")
    return f"{drawn}\n"
