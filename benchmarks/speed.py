"""What ``training.py`` and ``latency.py`` measured, as figures and as tables."""

import statistics
from typing import Any, NamedTuple

from benchmarks.tables import table

OURS, HALF, PEER = "ours, all cores", "ours, all cores, bfloat16", "d3rlpy, as it comes"
SINGLE = "single file, as it comes"
BUDGETED = ("td3_bc", "iql")  # at 2x256, DESIGN's: the engine was built on these two
BUDGET_WIDTH = 256
FASTER, FASTER_SINGLE, FASTER_HALF, SHARE = 3.5, 2.2, 6.0, 0.60
COMPARED = (
    (OURS, PEER),
    (OURS, "d3rlpy, all cores"),
    ("ours, one core", "d3rlpy, one core"),
    (OURS, SINGLE),
    (OURS, "single file, all cores"),
)


class Figure(NamedTuple):
    """Of several rounds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        """Median and range."""
        return f"{self.median:.2f} ({self.least:.2f} .. {self.most:.2f})"


def figure(values: list[float]) -> Figure:
    """Median, least and most."""
    return Figure(statistics.median(values), min(values), max(values))


def ways(row: dict[str, Any]) -> list[str]:
    """Names of the ways of a row, by name."""
    return list(row["rounds"][0]["speeds"])


def speeds(row: dict[str, Any], way: str) -> Figure:
    """Updates x seeds per second."""
    return figure([taken["speeds"][way] for taken in row["rounds"]])


def ratio(row: dict[str, Any], ours: str, peer: str) -> Figure:
    """How many times faster, within each round."""
    pairs = [taken["speeds"] for taken in row["rounds"]]
    return figure([speed[ours] / speed[peer] for speed in pairs])


def products(row: dict[str, Any], cores: str, dtype: str) -> Figure:
    """10^9 operations a second of the square product."""
    return figure([taken["products"][cores][dtype] for taken in row["rounds"]])


def share(row: dict[str, Any], cores: str) -> Figure:
    """Operations of ours in float32, of what the square product reaches."""
    gflop = row["gflop_an_update"]
    return figure(
        [
            taken["speeds"][f"ours, {cores}"]
            * gflop
            / taken["products"][cores]["float32"]
            for taken in row["rounds"]
        ]
    )


def budgets(train: dict[str, Any]) -> list[tuple[str, str, float, float, bool]]:
    """What, against what, figure, budget, and whether it is an upper bound."""
    rows = []
    for row in train["rows"]:
        if row["learner"] not in BUDGETED or row["hidden"] != [BUDGET_WIDTH] * 2:
            continue
        what = (
            f"train {row['learner']}, 2x256, batch 256, {train['seeds']} seeds a core"
        )
        pairs = [(OURS, PEER, FASTER), (OURS, SINGLE, FASTER_SINGLE)]
        pairs += [(HALF, PEER, FASTER_HALF)] if HALF in ways(row) else []
        for ours, peer, limit in pairs:
            how = ", bfloat16: faster" if ours == HALF else ": faster"
            rows.append((what + how, peer, ratio(row, ours, peer).median, limit, False))
        reached = share(row, "all cores").median
        rows.append((f"{what}: share", "matrix-product rate", reached, SHARE, False))
    return rows


def hidden(row: dict[str, Any]) -> str:
    """Widths as text."""
    return "x".join(map(str, row["hidden"]))


def trained(train: dict[str, Any]) -> str:
    """Speeds of all ways: a row a way, a column a learner and width."""
    rows = train["rows"]
    names = list(dict.fromkeys(way for row in rows for way in ways(row)))
    head = ["way", *(f"{row['learner']} {hidden(row)}" for row in rows)]
    lines: list[list[Any]] = []
    for way in names:
        found = [
            f"{speeds(row, way).median:.0f}" if way in ways(row) else "" for row in rows
        ]
        lines.append([way, *found])
    return table(" | ".join(head), lines)


def compared(train: dict[str, Any]) -> str:
    """Ratios: median, least and most of the rounds."""
    rows = train["rows"]
    halves = [(HALF, PEER)] if any(HALF in ways(row) for row in rows) else []
    lines: list[list[Any]] = []
    for ours, peer in (*COMPARED, *halves):
        found = [
            ratio(row, ours, peer) if {ours, peer} <= set(ways(row)) else ""
            for row in rows
        ]
        lines.append([f"{ours} / {peer}", *found])
    head = ["ratio", *(f"{row['learner']} {hidden(row)}" for row in rows)]
    return table(" | ".join(head), lines)


def reached(train: dict[str, Any]) -> str:
    """Beside the matrix-product rate."""
    lines = [
        [row["learner"], hidden(row), row["gflop_an_update"]]
        + [
            f"{products(row, cores, dtype).median:.0f}"
            for dtype in ("float32", "bfloat16")
            for cores in ("one core", "all cores")
        ]
        + [f"{share(row, cores).median:.0%}" for cores in ("one core", "all cores")]
        for row in train["rows"]
    ]
    head = (
        "learner | hidden | GFLOP an update | one core, GFLOP/s | all cores "
        "| one core, bfloat16 | all cores, bfloat16 | share, one core | all cores"
    )
    return table(head, lines)


def answered(latency: dict[str, Any]) -> str:
    """Microseconds an action."""
    lines = [
        [way, hidden(row)] + [str(figure(found[key])) for key in ("p50", "p99")]
        for row in latency["rows"]
        for way, found in row["ways"].items()
    ]
    return table("way | hidden | p50, µs | p99, µs", lines)
