"""Render the page of the figures: README.md from results.json."""

from typing import Any

from benchmarks import learning, speed
from benchmarks.tables import number, table

DOORS = ("dvc repro", "threads", "flow")


def render(results: dict[str, Any]) -> str:
    """The page's Markdown.

    Args:
        results: What results.json holds.
    """
    machine, load = results["machine"], results["load"]
    versions = ", ".join(
        f"{name} {results['packages'][name]}"
        for name in ("torch", "onnxruntime", "mujoco", "gymnasium")
    )
    budgets = [
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
    generated = [
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
    loads = table(
        "part | load average before | after",
        [[part, at["before"], at["after"]] for part, at in sorted(load.items())],
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
    kills, peer = results["kills"], results["train"]["peer"]
    victims = ", ".join(f"{who} {count}" for who, count in kills["by_victim"].items())
    return f"""# Benchmarks

Made by `make benchmarks` from [results.json](results.json); do not edit. Each file here
says how it measures.

{machine["model"]}, {machine["cores"]} cores, one thread unless said; {versions}.
Wall seconds are worse than they would be alone where the machine was not idle before:

{loads}

## Budgets

{table("what | against | figure | budget | verdict", budgets)}

Training has its budgets for the two learners the engine was built on, against d3rlpy
and single-file code as they come: one process, threads as they choose.

## Generating, hopper

CPU microseconds a step. Recording holds stepping and the policy; writing comes on top.

{
        table(
            "policy | episodes | steps | bare stepping | recording | writing "
            "| one env.step at a time",
            generated,
        )
    }

## Evaluating, hopper, {results["evaluate"]["episodes"]} episodes

The floor, `mj_step` alone on the same states, is {floor} µs a step: {physics:.0%} of
ours on one thread.

{table("way | wall s | CPU s | CPU µs a step", played)}

## Training, batch {results["train"]["batch"]}

Updates x seeds a second, medians of rounds in which all ways take turns:
{len(results["train"]["rows"][0]["rounds"])} rounds of {results["train"]["seconds"]} s
a way. Ours has {results["train"]["seeds"]} seeds a stack; d3rlpy {peer["d3rlpy"]} and
single-file code (`single_file.py`, in the style of CORL) have one seed a process. On
all cores each way has a process a core with one thread. Threads that d3rlpy takes as it
comes: {peer["threads"]}.

![Bars of updates x seeds a second beside d3rlpy's](training.svg)

{speed.trained(results["train"])}

How many times faster, median of the rounds (least .. most):

{speed.compared(results["train"])}

Products of 256 x 256 matrices beside them, and the share of the float32 rate that ours
reaches:

{speed.reached(results["train"])}

## Learning in a world, sac, batch {results["learn"]["batch"]}

Updates x seeds a second on the pendulum by CPU seconds of one thread, acting and
stepping included; medians of {len(results["learn"]["rounds"])} rounds in which all ways
take turns, {"with" if results["learn"]["avx512"] else "without"} AVX-512. The single
file (`single_sac.py`) has the same widths and one seed.

{learning.ways(results["learn"])}

Stepping {results["learn"]["worlds"]} worlds, resets included, over bare stepping of the
same actions, median of the rounds (least .. most):
{learning.stepped(results["learn"])}.

## One action at a time

Batch 1, one thread: median of the rounds (least .. most). Both files run in the same
onnxruntime; ours holds the normaliser and the world's action bounds as well.

{speed.answered(results["latency"])}

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

## Killed at random moments

The smallest study, {kills["stages"]} stages, from nothing; one process got SIGKILL each
time: {victims}. No entry of dvc.lock ever differed from an
undisturbed run's. The {
        kills["runs_that_ended_well"]
    } runs that ended well, and the one after the last kill, left
no temporary file and the same bytes in dvc.lock.
"""
