"""Latency of one call of onnxruntime, as a percentile of many.

Variants and batch sizes take turns in rounds, so that a slow moment of the machine hits
all of them and they can be compared. How far the rounds' medians are apart is kept: on
a quiet machine a few percent, and more where other work got in between. A policy is
warmed up first; the call is ``session.run`` with inputs that are ready, which is what a
control loop pays.
"""

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from tasks.artifacts.params import Distinct, OneOf, Params, Range
from tasks.profile import Profiler, Timed, feed


@dataclass(frozen=True)
class LatencyParams(Params):
    """How latency is measured.

    Attributes:
        batches: Observations a call; several sizes are measured.
        repeats: Timed calls a batch size.
        rounds: In which variants and batch sizes take turns.
        warm_up: Calls before the first timed one.
        threads: Of onnxruntime.
        mode: Of onnxruntime: ``exact`` (float arithmetic), ``native`` (integer
            kernels), or ``auto``: what the file's contract says.
    """

    batches: Annotated[tuple[int, ...], Range(1, 2**20), Distinct(1)]
    repeats: Annotated[int, Range(10, 10**6)]
    rounds: Annotated[int, Range(1, 10**6)]
    warm_up: Annotated[int, Range(1, 10**6)]
    threads: Annotated[int, Range(1, 64)]
    mode: Annotated[str, OneOf(("auto", "exact", "native"))]


class Latency(Profiler[LatencyParams]):
    """Time calls of all variants in turns, and keep percentiles."""

    def measure(self, policies: Mapping[str, Timed]) -> dict[str, dict[str, Any]]:
        """Warm every policy up, then time all of them in rounds."""
        params = self.params
        turns = [(name, b) for name in policies for b in params.batches]
        feeds = {(name, b): feed(policies[name].contract, b) for name, b in turns}
        taken: dict[tuple[str, int], list[list[int]]] = {turn: [] for turn in turns}
        for turn in turns:
            _time(policies[turn[0]], feeds[turn], params.warm_up)
        for calls in _split(params.repeats, params.rounds):
            for turn in turns:
                taken[turn].append(_time(policies[turn[0]], feeds[turn], calls))
        return {
            name: {
                "machine": {"cpu": cpu(), "cores": os.cpu_count()},
                "load": os.getloadavg()[0],
                "onnxruntime": policy.session_info()["onnxruntime"],
                "threads": policy.threads,
                "mode": policy.mode,
                "repeats": params.repeats,
                "batches": {
                    str(b): _percentiles(taken[name, b]) for b in params.batches
                },
            }
            for name, policy in policies.items()
        }


def _time(policy: Timed, inputs: dict[str, Any], calls: int) -> list[int]:
    """Nanoseconds of each call, which gives action and next carry, or all answers."""
    run, clock, taken = policy.session.run, time.perf_counter_ns, []
    outputs = ["action", *(f"next_{name}" for name in policy.contract["carry"])]
    if "action" not in policy.contract["outputs"]:
        outputs = list(policy.contract["outputs"])
    for _ in range(calls):
        begin = clock()
        run(outputs, inputs)
        taken.append(clock() - begin)
    return taken


def _split(total: int, parts: int) -> list[int]:
    """Nearly equal whole numbers with the given sum."""
    return [total * (i + 1) // parts - total * i // parts for i in range(parts)]


def _percentiles(rounds: list[list[int]]) -> dict[str, float]:
    """Median and 99th percentile of all calls, and how far the rounds are apart.

    Args:
        rounds: Nanoseconds of each call, a list a round.

    Returns:
        ``p50_us`` and ``p99_us``, microseconds; ``spread``, from the rounds' lowest
        median to their highest, as a share of ``p50_us``.
    """
    p50, p99 = np.percentile(np.concatenate(rounds), [50, 99]) / 1000
    medians = [float(np.median(calls)) / 1000 for calls in rounds if calls]
    return {
        "p50_us": round(float(p50), 3),
        "p99_us": round(float(p99), 3),
        "spread": round((max(medians) - min(medians)) / float(p50), 3),
    }


def cpu() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
