"""Which latencies may be compared, and how far apart two have to be for that.

A busy machine shows in three ways: the rounds in which a file was timed are apart, or
files of the same network are, as variants of several learners often hold one network
with other numbers, or one call in a hundred waits for a time slice of the system, some
milliseconds. Where any is, the latency is called busy and nothing is ranked.
Elsewhere a network has one latency, the median of its files', and two networks are told
apart only by more than what is between files of one.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.report.engine.result import Files

BUSY = 0.1  # of p50; on a machine that runs nothing else it is 0.01 to 0.05
TAIL = 10.0  # p99 over p50; on a quiet machine at most 6, on a busy one up to 60
LEAST = 0.03  # of p50: what is nearer is never told apart


@dataclass(frozen=True)
class Timing:
    """Of one file at one batch size, microseconds.

    Attributes:
        p50: Median of its calls.
        p99: Their 99th percentile.
        network: Median of the p50 of all files with its network, timed alike.
        apart: From the least of these to the largest, as a share of ``network``.
        busy: Whether other work disturbed it.
    """

    p50: float
    p99: float
    network: float
    apart: float
    busy: bool


def timings(files: Sequence[Files], batch: str) -> dict[str, Timing]:
    """Latencies at a batch size, of those that were timed, by learner / variant.

    Args:
        files: Of one dataset.
        batch: E.g. ``"1"``.
    """
    timed = {
        f"{a.learner} / {a.variant}": (_network(a), a.latency["batches"][batch])
        for a in files
        if a.latency and batch in a.latency["batches"]
    }
    waited = {f"{a.learner} / {a.variant}" for a in files if _waited(a)}
    groups: dict[Hashable, list[float]] = {}
    for network, times in timed.values():
        groups.setdefault(network, []).append(times["p50_us"])
    measured = {}
    for name, (network, times) in timed.items():
        same = groups[network]
        middle = float(np.median(same))
        apart = (max(same) - min(same)) / middle
        busy = max(apart, times.get("spread", 0.0)) > BUSY or name in waited
        p50, p99 = float(times["p50_us"]), float(times["p99_us"])
        measured[name] = Timing(p50, p99, middle, apart, busy)
    return measured


def told_apart(measured: Mapping[str, Timing]) -> float | None:
    """From which ratio - 1 on two networks' latencies differ; None: none is ranked."""
    if any(timing.busy for timing in measured.values()):
        return None
    return max([LEAST, *(timing.apart for timing in measured.values())])


def _waited(files: Files) -> bool:
    """Whether calls waited, at any batch size: all were timed one after the other."""
    batches = files.latency["batches"].values() if files.latency else ()
    return any(times["p99_us"] > TAIL * times["p50_us"] for times in batches)


def _network(files: Files) -> Hashable:
    """What two files share that hold the same network and were timed alike."""
    static, latency = files.static, files.latency
    counts = (sorted(static[key].items()) for key in ("operators", "initialisers"))
    how: tuple[Hashable, ...] = ()
    if latency:
        machine = latency["machine"]
        how = (
            machine["cpu"],
            machine["cores"],
            latency["threads"],
            latency.get("mode"),
        )
    return *map(tuple, counts), static["parameters"], how
