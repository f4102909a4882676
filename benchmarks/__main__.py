"""Measure Offcut against its limits and peers: ``make bench``.

Writes ``benchmarks/results.json`` and, rendered from it alone, ``README.md`` beside it.
Half an hour, or ``python -m benchmarks PART...`` for one of generate, evaluate, train,
flow and kills; the others' figures stay. Other work on the machine spoils the numbers,
so the load average before and after each part stands in both.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.page import number, render
from tasks.artifacts.environment import environment
from tasks.artifacts.files import write_json, write_text

HERE = Path(__file__).parent
POLICIES = ("expert", "medium", None)  # None: an untrained network, which falls at once
ADDED, SPEED_UP, SHARE = 0.40, 5.0, 0.60  # budgets
RUNNING = "a server that runs"
PARALLEL, FASTER, GROWTH, UNCHANGED = 0.65, 6.0, 1.5, 10.0


def budgets(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures that have a budget.

    Args:
        found: ``generate`` (one a policy), ``evaluate``, ``train`` and ``flow``, as
            measured.

    Returns:
        ``what``, ``limit`` (what it is measured against), ``figure``, ``budget`` and
        ``met``; ``most`` says whether the budget is an upper bound.
    """
    rows: list[tuple[str, str, float, float, bool]] = [
        (
            f"generate, policy {made['policy']}: recording, policy and writing add",
            "bare stepping of the same actions",
            made["added_share"],
            ADDED,
            True,
        )
        for made in found["generate"]
    ]
    rows += [
        (
            f"evaluate {found['evaluate']['episodes']} episodes, 2 threads: faster",
            f"one environment at a time, {peer}",
            found["evaluate"]["ratios"][f"one_at_a_time_{peer} / ours_2_threads"][
                "wall"
            ],
            SPEED_UP,
            False,
        )
        for peer in ("onnxruntime", "torch")
    ]
    rows += [
        (
            f"train {row['learner']}, 2x256, batch 256, 5 seeds: share reached",
            "matrix-product rate",
            row["share_of_product_rate"],
            SHARE,
            False,
        )
        for row in found["train"]["rows"]
        if (row["hidden"], row["seeds"]) == ([256, 256], 5)
    ]
    few, some, many = found["flow"]["trivial"]
    doors = found["flow"]["study"]
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
    """Seconds that each stage more costs a flow, without what it costs to start."""
    seconds: float = many["flow"]["wall"] - few["flow"]["wall"]
    return seconds / (many["stages"] - few["stages"])


def load_average() -> float:
    """Of the last minute."""
    return round(os.getloadavg()[0], 2)


def parts() -> dict[str, Callable[[], Any]]:
    """What can be measured."""
    from benchmarks import evaluating, flow, generate, kills, training

    return {
        "generate": lambda: [generate.measure(policy) for policy in POLICIES],
        "evaluate": evaluating.measure,
        "train": training.measure,
        "flow": flow.measure,
        "kills": kills.measure,
    }


def main() -> None:
    """Measure the parts named, or all, and write."""
    known = parts()
    wanted = sys.argv[1:] or list(known)
    if wrong := set(wanted) - set(known):
        sys.exit(f"no such part: {', '.join(wrong)}; there are {', '.join(known)}")
    path, results = HERE / "results.json", dict[str, Any]()
    if path.exists() and set(wanted) != set(known):
        results = json.loads(path.read_text(encoding="utf-8"))
    results.setdefault("load", {})
    for part in wanted:
        before = load_average()
        results[part] = known[part]()
        results["load"][part] = {"before": before, "after": load_average()}
    here = environment(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    results |= {
        "schema": 2,
        "machine": here["cpu"],
        "python": here["python"],
        "platform": here["platform"],
        "packages": here["packages"],
        "budgets": budgets(results),
    }
    write_json(path, results)
    write_text(HERE / "README.md", render(results))
    for row in results["budgets"]:
        print(  # noqa: T201
            f"{row['what']} {number(row['figure'], row['unit'])} ({row['limit']}): "
            f"{'met' if row['met'] else 'not met'}"
        )


if __name__ == "__main__":
    main()
