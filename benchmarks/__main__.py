"""Measure Offcut against its limits and peers: ``make benchmarks``.

Writes ``benchmarks/results.json`` and, rendered from it alone, ``README.md`` and
``training.svg`` beside it. Fifty minutes, or ``python -m benchmarks PART...`` for some
of generate, evaluate, train, learn, latency, flow and kills; the others' figures stay.
Other work on the machine spoils the numbers, so the load average before and after each
part stands there, with machine and versions. ``--rounds`` and ``--seconds`` make train,
learn and latency longer or shorter.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import learning, speed
from benchmarks.page import render
from benchmarks.picture import draw
from benchmarks.tables import number
from tasks.artifacts.environment import environment
from tasks.artifacts.files import write_json, write_text

HERE = Path(__file__).parent
POLICIES = ("expert", "medium", None)  # None: an untrained network, which falls at once
ADDED, SPEED_UP = 0.40, 5.0  # budgets
RUNNING = "a server that runs"
PARALLEL, FASTER, GROWTH, UNCHANGED = 0.65, 6.0, 1.5, 10.0


def budgets(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare the figures that have a budget with it.

    Args:
        results: What was measured: ``generate`` (a row a policy), ``evaluate``,
            ``train``, ``learn`` and ``flow``.

    Returns:
        A row a budget: ``what``, ``limit`` (what it is measured against), ``figure``,
        ``budget``, ``unit`` and ``met``; ``most`` says whether the budget is an upper
        bound.
    """
    rows: list[tuple[str, str, float, float, bool]] = [
        (
            f"generate, policy {row['policy']}: recording, policy and writing add",
            "bare stepping of the same actions",
            row["added_share"],
            ADDED,
            True,
        )
        for row in results["generate"]
    ]
    rows += [
        (
            f"evaluate {results['evaluate']['episodes']} episodes, 2 threads: faster",
            f"one environment at a time, {peer}",
            results["evaluate"]["ratios"][f"one_at_a_time_{peer} / ours_2_threads"][
                "wall"
            ],
            SPEED_UP,
            False,
        )
        for peer in ("onnxruntime", "torch")
    ]
    rows += speed.budgets(results["train"])
    rows += learning.budgets(results["learn"])
    few, some, many = results["flow"]["trivial"]
    doors = results["flow"]["study"]
    rows += [
        (
            "the default study as a flow: share of the time",
            "dvc repro",
            doors["flow"]["wall"] / doors["dvc repro"]["wall"],
            PARALLEL,
            True,
        ),
        (
            f"{many['stages']} trivial stages as a flow: faster",
            "dvc repro",
            many["dvc repro"]["wall"] / many["flow"]["wall"],
            FASTER,
            False,
        ),
        (
            f"a further stage as a flow, {some['stages']} to {many['stages']}: seconds",
            f"the same from {few['stages']} to {some['stages']}",
            further(some, many) / further(few, some),
            GROWTH,
            True,
        ),
        (
            "the default study unchanged as a flow",
            RUNNING,
            doors["flow, unchanged"]["wall"],
            UNCHANGED,
            True,
        ),
    ]
    return [
        {
            "what": what,
            "limit": limit,
            "figure": figure,
            "budget": budget,
            "most": most,
            "unit": "s" if limit == RUNNING else "x" if budget > 1 else "%",
            "met": figure <= budget if most else figure >= budget,
        }
        for what, limit, figure, budget, most in rows
    ]


def further(few: dict[str, Any], many: dict[str, Any]) -> float:
    """Seconds that each further stage costs a flow.

    Args:
        few: What a flow of some trivial stages took.
        many: What one of more stages took.
    """
    seconds: float = many["flow"]["wall"] - few["flow"]["wall"]
    return seconds / (many["stages"] - few["stages"])


def load_average() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def parts(rounds: int, seconds: float) -> dict[str, Callable[[], Any]]:
    """The parts that can be measured, by name.

    Args:
        rounds: Of train, learn and latency, at least 1.
        seconds: That each way of training takes in each round.
    """
    from benchmarks import evaluating, flow, generate, kills, latency, training

    return {
        "generate": lambda: [generate.measure(policy) for policy in POLICIES],
        "evaluate": evaluating.measure,
        "train": lambda: training.measure(rounds, seconds),
        "learn": lambda: learning.measure(rounds),
        "latency": lambda: latency.measure(rounds),
        "flow": flow.measure,
        "kills": kills.measure,
    }


def main() -> None:
    """Measure the parts that the command line names, or all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="by default all")
    parser.add_argument("--rounds", type=int, default=5, help="of some parts, >= 1")
    parser.add_argument("--seconds", type=float, default=1.5, help="a way and round")
    options = parser.parse_args()
    measures = parts(options.rounds, options.seconds)
    names = options.parts or list(measures)
    if wrong := set(names) - set(measures):
        there = ", ".join(measures)
        parser.error(f"no such part: {', '.join(wrong)}; there are {there}")
    path, results = HERE / "results.json", dict[str, Any]()
    if path.exists() and set(names) != set(measures):
        results = json.loads(path.read_text(encoding="utf-8"))
    results.setdefault("load", {})
    for part in names:
        before = load_average()
        results[part] = measures[part]()
        results["load"][part] = {"before": before, "after": load_average()}
    here = environment(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    where = {
        "machine": here["cpu"],
        "python": here["python"],
        "platform": here["platform"],
        "packages": here["packages"],
    }
    # of some parts alone the others' figures keep the machine they are of
    results = where | results | {"schema": 3, "budgets": budgets(results)}
    write_json(path, results)  # which sorts, so that it is read again
    results = json.loads(path.read_text(encoding="utf-8"))
    write_text(HERE / "README.md", render(results))
    write_text(HERE / "training.svg", draw(results["train"]))
    for row in results["budgets"]:
        print(  # noqa: T201
            f"{row['what']} {number(row['figure'], row['unit'])} ({row['limit']}): "
            f"{'met' if row['met'] else 'not met'}"
        )


if __name__ == "__main__":
    main()
