"""Figures and tables of what ``training.py`` and ``latency.py`` measured.

A row holds one learner at some widths; a way is a program that trains it on some cores.
"""

import statistics
from typing import Any, NamedTuple

from benchmarks.tables import table

OURS, HALF, PEER = "ours, all cores", "ours, all cores, bfloat16", "d3rlpy, as it comes"
SINGLE = "single file, as it comes"
BUDGETED = ("td3_bc", "iql")  # at 2x256: the engine was built on these two
BUDGET_WIDTH = 256
FASTER, FASTER_SINGLE, FASTER_HALF, SHARE = 3.5, 2.2, 6.0, 0.60
# ours, JAX's and the budget, at every width
IN_JAX = (
    ("ours, one core", "JAX, one core", 1.0),
    ("ours, one seed, one core", "JAX, one seed, one core", 0.6),
)
COMPARED = (
    (OURS, PEER),
    (OURS, "d3rlpy, all cores"),
    ("ours, one core", "d3rlpy, one core"),
    (OURS, SINGLE),
    (OURS, "single file, all cores"),
    *(pair[:2] for pair in IN_JAX),
)


class Figure(NamedTuple):
    """A figure of several rounds: their median, least and most."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        """The median, and in brackets the range."""
        return f"{self.median:.2f} ({self.least:.2f} .. {self.most:.2f})"


def figure(values: list[float]) -> Figure:
    """The figure of some values, one a round."""
    return Figure(statistics.median(values), min(values), max(values))


def ways(row: dict[str, Any]) -> list[str]:
    """Names of the ways that were measured in a row."""
    return list(row["rounds"][0]["speeds"])


def speeds(row: dict[str, Any], way: str) -> Figure:
    """Updates x seeds a second of a way."""
    return figure([measured["speeds"][way] for measured in row["rounds"]])


def ratio(row: dict[str, Any], ours: str, peer: str) -> Figure:
    """How many times faster ours is than a peer, within each round."""
    pairs = [measured["speeds"] for measured in row["rounds"]]
    return figure([speed[ours] / speed[peer] for speed in pairs])


def products(row: dict[str, Any], cores: str, dtype: str) -> Figure:
    """Speed of a product of square matrices, in 10^9 operations a second.

    Args:
        row: What was measured.
        cores: ``one core`` or ``all cores``.
        dtype: ``float32`` or ``bfloat16``.
    """
    return figure([measured["products"][cores][dtype] for measured in row["rounds"]])


def share(row: dict[str, Any], cores: str) -> Figure:
    """Share of the float32 matrix-product rate that ours reaches, 0 to 1."""
    gflop = row["gflop_an_update"]
    return figure(
        [
            measured["speeds"][f"ours, {cores}"]
            * gflop
            / measured["products"][cores]["float32"]
            for measured in row["rounds"]
        ]
    )


def budgets(train: dict[str, Any]) -> list[tuple[str, str, float, float, bool]]:
    """The figures of training that have a budget.

    Returns:
        Of each: what, against what, figure, budget, whether that is an upper bound.
    """
    rows = []
    for row in train["rows"]:
        for ours, peer, limit in IN_JAX:
            if peer in ways(row):
                what = f"train {row['learner']}, {hidden(row)}, {ours}: share"
                rows.append((what, peer, ratio(row, ours, peer).median, limit, False))
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
    """The widths of a row's hidden layers as text, e.g. ``256x256``."""
    return "x".join(map(str, row["hidden"]))


def trained(train: dict[str, Any]) -> str:
    """A table of speeds: a line a way, a column a learner and width."""
    rows = train["rows"]
    names = list(dict.fromkeys(way for row in rows for way in ways(row)))
    head = ["way", *(f"{row['learner']} {hidden(row)}" for row in rows)]
    lines: list[list[Any]] = []
    for way in names:
        cells = [
            f"{speeds(row, way).median:.0f}" if way in ways(row) else "" for row in rows
        ]
        lines.append([way, *cells])
    return table(" | ".join(head), lines)


def compared(train: dict[str, Any]) -> str:
    """A table of how many times faster ours is: median, least and most of rounds."""
    rows = train["rows"]
    halves = [(HALF, PEER)] if any(HALF in ways(row) for row in rows) else []
    lines: list[list[Any]] = []
    for ours, peer in (*COMPARED, *halves):
        if not any({ours, peer} <= set(ways(row)) for row in rows):
            continue
        cells = [
            ratio(row, ours, peer) if {ours, peer} <= set(ways(row)) else ""
            for row in rows
        ]
        lines.append([f"{ours} / {peer}", *cells])
    head = ["ratio", *(f"{row['learner']} {hidden(row)}" for row in rows)]
    return table(" | ".join(head), lines)


def reached(train: dict[str, Any]) -> str:
    """A table of matrix-product rates, and the share of them that ours reaches."""
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
    """A table of microseconds an action."""
    lines = [
        [way, hidden(row)] + [str(figure(quantiles[key])) for key in ("p50", "p99")]
        for row in latency["rows"]
        for way, quantiles in row["ways"].items()
    ]
    return table("way | hidden | p50, µs | p99, µs", lines)
