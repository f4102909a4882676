"""docs/compressors.md, drawn from what ``benchmarks/compressors.json`` keeps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.tables import table

Row = Mapping[str, Any]
PEERS = {
    "onnxruntime-static": "onnxruntime `quantize_static`",
    "onnxruntime-dynamic": "onnxruntime `quantize_dynamic`",
    "onnxruntime-static-folded": "onnxruntime `quantize_static`, folded",
    "onnxruntime-dynamic-folded": "onnxruntime `quantize_dynamic`, folded",
}
# what a file is judged by: as low as possible
ALIKE = 1.03  # latencies that differ by less differ by chance
ROWS = {"1": "one row", "256": "256 rows"}  # of a call whose latency is measured
AXES: dict[str, Callable[[Row], float]] = {
    "error": lambda row: float(row["action_error"]["visited"]),
    "bytes": lambda row: float(row["bytes"]),
    "latency": lambda row: float(row["us"]["1"]),
}
HEAD = """\
compressor | error, data | error, visited | kB | of float32 | \
µs, 1 row | µs, 256 rows | score | change of score | made in, s | front"""


def front(rows: Sequence[Row], size: str = "1") -> list[str]:
    """Variants that no other one beats, with the latency of calls of ``size`` rows."""
    of = [{**row, "us": {"1": row["us"][size]}} for row in rows]
    return [row["variant"] for row in of if not any(beats(other, row) for other in of)]


def beats(one: Row, other: Row) -> bool:
    """Whether a variant is as good as another in everything, and better in something.

    Latencies nearer to each other than :data:`ALIKE` count as one.
    """
    pairs = [(axis(one), axis(other)) for axis in AXES.values()]
    times = pairs.pop()
    ratio = times[0] / times[1]
    as_good = all(a <= b for a, b in pairs) and ratio <= ALIKE
    return as_good and (any(a < b for a, b in pairs) or ratio < 1 / ALIKE)


def named(row: Row) -> str:
    """A variant as the page calls it."""
    name = row["variant"]
    return PEERS.get(name, f"`{name}`")


def listed(names: Sequence[str]) -> str:
    """Words after each other, with an "and" before the last."""
    *most, last = names or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


def page(found: Mapping[str, Any]) -> str:
    """The page's text."""
    rows: list[Row] = found["rows"]
    whole = next(row for row in rows if row["variant"] == "float32")
    best = front(rows)
    cells = []
    for row in rows:
        error, score, change = row["action_error"], row["score"], row["change"]
        cells.append(
            [
                named(row),
                f"{error['data']:.4f}",
                f"{error['visited']:.4f}",
                f"{row['bytes'] / 1000:.1f}",
                f"{row['bytes'] / whole['bytes']:.2f}",
                f"{row['us']['1']:.1f}",
                f"{row['us']['256']:.0f}",
                f"{score['iqm']:.1f} [{score['low']:.1f}, {score['high']:.1f}]",
                "-"
                if row is whole
                else f"{change['mean']:+.1f} [{change['low']:+.1f}, "
                f"{change['high']:+.1f}] {change['word']}",
                f"{row['seconds']:.1f}",
                "yes" if row["variant"] in best else "",
            ]
        )
    machine = found["environment"]["cpu"]["model"]
    seeds, version = len(found["seeds"]), found["onnxruntime"]
    widths = " x ".join(map(str, found["widths"][:-1]))
    return f"""\
# Compressors side by side

Every compressor of feed-forward policies, with the parameters of `params/compress/`, on
the policies of `{found["learner"]}` on {found["dataset"]}, whose episodes
never end early ({widths} hidden units, {found["updates"]} updates, {seeds} seeds).
Beside them what onnxruntime {version} itself makes of float graphs: static, calibrated
on the rows of `int8_static`, and dynamic, both with a scale an output unit. It is given
the normaliser as nodes before the first layer; folded is what it makes of the float32
files as they are, where one scale serves observations in units as far apart as
positions and speeds. `python -m benchmarks.compressors FOLDER` measures it anew.

Action error: mean difference from the parent's action in half its range, of the files
as onnxruntime runs them, on {found["states"]} rows held out and on as many states a
seed that the parent visits in episodes no compressor has met. kB: the first seed's
file with its contract. Latency: CPU time of one call, one thread, median of rounds in
which all files take turns ({machine}). Score: {found["episodes"]} episodes a seed from
the same starts, mean over seeds of the interquartile mean, with its 95 % interval.
Change: against float32, paired by episode, with its interval and the verdict's word.
Made in: CPU time of the compression of all seeds, visits included. Front: no other file
is as good in error on visited states, bytes and latency of one row, and better in one;
latencies within 3 % count as one.

{table(HEAD, cells)}

{summary(rows, best)}
"""


def summary(rows: Sequence[Row], best: Sequence[str]) -> str:
    """In words: who is on the front, who beats whom, what is slower or worse."""
    by_name = {row["variant"]: row for row in rows}
    large = listed([named(by_name[name]) for name in front(rows, "256")])
    lines = [
        f"On the front: {listed([named(by_name[name]) for name in best])}.",
        f"On the front with the latency of 256 rows for that of one: {large}.",
        *(
            f"{named(row)} is not: {beaten(row, rows)}."
            for row in rows
            if row["variant"] not in best
        ),
    ]
    whole = by_name["float32"]
    for size, words in ROWS.items():
        slow = [
            f"{named(row)} ({row['us'][size] / whole['us'][size]:.2f}x)"
            for row in rows
            if row["us"][size] > whole["us"][size]
        ]
        lines.append(f"Slower than float32 at {words}: {listed(slow)}.")
    worse = [named(row) for row in rows if row["change"]["high"] < 0]
    lines.append(f"Whole interval of the change of score below 0: {listed(worse)}.")
    return "\n".join(f"- {line}" for line in lines)


def beaten(row: Row, rows: Sequence[Row]) -> str:
    """By whom a variant is beaten; of several, by whoever errs least.

    Args:
        row: Not on the front.
        rows: All.
    """
    best = min((x for x in rows if beats(x, row)), key=AXES["error"])
    error, size, time = (axis(best) / axis(row) for axis in AXES.values())
    return (
        f"{named(best)} has {error:.2f} of its error, {size:.2f} of its bytes and "
        f"{time:.2f} of its latency"
    )
