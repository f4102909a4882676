"""Measure generating, training and evaluating against peers: ``make bench``.

Writes ``benchmarks/results.json`` and, rendered from it alone, ``README.md`` beside it.
A few minutes on one core; other work on the machine spoils the numbers, so the load
average before and after stands in both.
"""

import os
from pathlib import Path
from typing import Any

from tasks.artifacts.environment import environment
from tasks.artifacts.files import write_json, write_text

HERE = Path(__file__).parent
POLICIES = ("expert", "medium", None)  # None: an untrained network, which falls at once
ADDED, SPEED_UP, SHARE = 0.40, 5.0, 0.60  # budgets


def budgets(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures that have a budget.

    Args:
        found: ``generate`` (one a policy), ``evaluate`` and ``train``, as measured.

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
    return [
        {
            "what": what,
            "limit": limit,
            "figure": figure,
            "budget": budget,
            "most": most,
            "met": figure <= budget if most else figure >= budget,
        }
        for what, limit, figure, budget, most in rows
    ]


def table(head: str, rows: list[list[Any]]) -> str:
    """A Markdown table; ``head`` has its columns between bars."""
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float, budget: float) -> str:
    """A share in per cent, a ratio as such."""
    return f"{value:.1f} x" if budget > 1 else f"{value:.0%}"


def render(results: dict[str, Any]) -> str:
    """Markdown of what results.json holds."""
    machine, load = results["machine"], results["load"]
    versions = ", ".join(
        f"{name} {results['packages'][name]}"
        for name in ("torch", "onnxruntime", "mujoco", "gymnasium")
    )
    judged = [
        [
            row["what"],
            row["limit"],
            number(row["figure"], row["budget"]),
            f"at {'most' if row['most'] else 'least'} "
            + number(row["budget"], row["budget"]),
            "met" if row["met"] else "not met",
        ]
        for row in results["budgets"]
    ]
    made = [
        [row["policy"], row["episodes"], row["steps"]]
        + [row["microseconds_a_step"][k] for k in ("bare", "collect", "write")]
        + [row["microseconds_a_step"]["gymnasium"]]
        for row in results["generate"]
    ]
    ways = results["evaluate"]["ways"]
    played = [
        [name.replace("_", " ")]
        + [way[k] for k in ("wall_seconds", "cpu_seconds", "cpu_us_per_step")]
        for name, way in ways.items()
    ]
    floor = results["evaluate"]["floor_us_per_step"]
    physics = results["evaluate"]["physics_share_of_ours_1_thread"]
    trained = [
        [
            row["learner"],
            "x".join(map(str, row["hidden"])),
            row["seeds"],
            row["updates_x_seeds_per_second"],
            row["product_gflops"],
            f"{row['share_of_product_rate']:.0%}",
        ]
        for row in results["train"]["rows"]
    ]
    busy = ""
    if load["before"] > 0.5:
        busy = " The machine was not idle: wall seconds and what follows from\nthem, "
        busy += "two threads above all, are worse than they would be alone."
    return f"""# Benchmarks

Made by `make bench` from [results.json](results.json); do not edit. Each file here says
how it measures.

{machine["model"]}, {machine["cores"]} cores, one thread unless said; {versions}; load
average {load["before"]} before, {load["after"]} after.{busy}

## Budgets

{table("what | against | figure | budget | met", judged)}

The budget of training is a later target.

## Generating, hopper

CPU microseconds a step. Recording holds stepping and the policy; writing comes on top.

{
        table(
            "policy | episodes | steps | bare stepping | recording | writing "
            "| one env.step at a time",
            made,
        )
    }

## Evaluating, hopper, {results["evaluate"]["episodes"]} episodes

The floor, `mj_step` alone on the same states, is {floor} µs a step: {physics:.0%} of
ours on one thread.

{table("way | wall s | CPU s | CPU µs a step", played)}

## Training, batch {results["train"]["batch"]}

{
        table(
            "learner | hidden | seeds | updates x seeds a second | product GFLOP/s "
            "| share of it",
            trained,
        )
    }
"""


def load_average() -> float:
    """Of the last minute."""
    return round(os.getloadavg()[0], 2)


def main() -> None:
    """Measure everything and write."""
    from benchmarks import evaluating, generate, training

    before = load_average()
    found = {
        "generate": [generate.measure(policy) for policy in POLICIES],
        "evaluate": evaluating.measure(),
        "train": training.measure(),
    }
    here = environment(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    results = {
        "schema": 1,
        "machine": here["cpu"],
        "python": here["python"],
        "platform": here["platform"],
        "packages": here["packages"],
        "load": {"before": before, "after": load_average()},
        "budgets": budgets(found),
        **found,
    }
    write_json(HERE / "results.json", results)
    write_text(HERE / "README.md", render(results))
    for row in results["budgets"]:
        print(  # noqa: T201
            f"{row['what']} {number(row['figure'], row['budget'])} ({row['limit']}): "
            f"{'met' if row['met'] else 'not met'}"
        )


if __name__ == "__main__":
    main()
