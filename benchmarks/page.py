"""The page of the figures: README.md from results.json."""

from typing import Any

DOORS = ("dvc repro", "threads", "flow")


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
    kills = results["kills"]
    victims = ", ".join(f"{who} {count}" for who, count in kills["by_victim"].items())
    return f"""# Benchmarks

Made by `make bench` from [results.json](results.json); do not edit. Each file here says
how it measures.

{machine["model"]}, {machine["cores"]} cores, one thread unless said; {versions}.
Wall seconds are worse than they would be alone where the machine was not idle before:

{loads}

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

## Killed at random moments

The smallest study, {kills["stages"]} stages, from nothing; one process got SIGKILL each
time: {victims}. No entry of dvc.lock ever differed from an
undisturbed run's. The {
        kills["runs_that_ended_well"]
    } runs that ended well, and the one after the last kill, left
no temporary file and the same bytes in dvc.lock.
"""
