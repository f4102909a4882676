"""Measure Offcut against its limits and peers: ``make bench``.

Writes ``benchmarks/results.json`` and, rendered from it alone, ``README.md`` beside it.
Twenty minutes, or ``python -m benchmarks PART...`` for one of generate, evaluate, train
and flow; the others' figures stay. Other work on the machine spoils the numbers, so the
load average before and after each part stands in both.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.artifacts.environment import environment
from tasks.artifacts.files import write_json, write_text

HERE = Path(__file__).parent
DOORS = ("dvc repro", "threads", "flow")
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
    few, *_, many = found["flow"]["trivial"]
    doors = found["flow"]["study"]
    grown = many["flow"]["wall"] / many["stages"]
    grown /= few["flow"]["wall"] / few["stages"]
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
            f"{many['stages']} trivial stages as a flow: seconds a stage",
            f"the same at {few['stages']}",
            grown,
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


def table(head: str, rows: list[list[Any]]) -> str:
    """A Markdown table; ``head`` has its columns between bars."""
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float, unit: str) -> str:
    """A share in per cent, a ratio or seconds as such."""
    return f"{value:.0%}" if unit == "%" else f"{value:.1f} {unit}"


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
            number(row["figure"], row["unit"]),
            f"at {'most' if row['most'] else 'least'} "
            + number(row["budget"], row["unit"]),
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
        for name, way in sorted(ways.items())
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
    loads = "; ".join(
        f"{part} {at['before']} before, {at['after']} after"
        for part, at in load.items()
    )
    orchestrated = [
        [row["stages"], *(row[door]["wall"] for door in DOORS)]
        + [row[door]["cpu"] for door in DOORS]
        for row in results["flow"]["trivial"]
    ]
    doors = [
        [door, at["wall"], at["cpu"]]
        for door, at in results["flow"]["study"].items()
        if door != "lock"
    ]
    return f"""# Benchmarks

Made by `make bench` from [results.json](results.json); do not edit. Each file here says
how it measures.

{machine["model"]}, {machine["cores"]} cores, one thread unless said; {
        versions
    }. Load average: {loads}.
Where it is above 0.5 before a part, wall seconds are worse than they would be alone.

## Budgets

{table("what | against | figure | budget | verdict", judged)}

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

## The two doors

Seconds of wall time and of CPU for trivial stages, each of which copies a file: with
`dvc repro`, with `python -m flows --local`, and as a Prefect flow on a running server.

{
        table(
            "stages | dvc | threads | flow | dvc, CPU | threads, CPU | flow, CPU",
            orchestrated,
        )
    }

The default study from nothing, and unchanged. The CPU of a temporary server counts.

{table("door | wall s | CPU s", doors)}
"""


def load_average() -> float:
    """Of the last minute."""
    return round(os.getloadavg()[0], 2)


def parts() -> dict[str, Callable[[], Any]]:
    """What can be measured."""
    from benchmarks import evaluating, flow, generate, training

    return {
        "generate": lambda: [generate.measure(policy) for policy in POLICIES],
        "evaluate": evaluating.measure,
        "train": training.measure,
        "flow": flow.measure,
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
