"""Training speed of the machine: ours, d3rlpy, a single file and JAX, in turns.

    python -m benchmarks.training [--rounds 5] [--seconds 1.5]

`make benchmarks` runs it too. Updates x seeds per second on the same random episodes
(11 observations, 3 actions, batch 256), drawing of batches included. Every round each
way trains for so many seconds, one after the other, and the matrix-product rate is
measured before and after, so a slow moment of the machine meets all. Ratios and shares
are taken within a round; their median counts, and least and most are shown.

Ways that use all cores run a process a core, each with one thread, at the same time.
"the seeds split" has 5 seeds over the processes and is as slow as its slowest; the
other has 5 seeds in each, as two stages that run at once have. d3rlpy "as it comes" is
one process with as many threads as it takes. JAX (``jax_worker.py``) is one process
with one thread, whose updates are one compiled call.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks import episodes, single_file
from benchmarks.our_worker import PARAMS
from benchmarks.workers import Crew, Worker, together
from tasks.train.engine import loop

BATCH, SEEDS = 256, 5
LEARNERS = ("td3_bc", "iql", "cql", "bc")
IN_JAX = ("td3_bc", "iql")
WIDTHS = (256, 64)  # of two hidden layers
PRODUCT_SECONDS = 0.15
DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class Way:
    """One way to use the machine.

    Attributes:
        kind: "ours", "single_file", "d3rlpy" or "jax".
        seeds: Numbers of seeds, one a process.
        threads: Of each process; None as it comes.
        split: One stack's seeds lie in all processes: the slowest counts.
        precision: Of our products.
    """

    kind: str
    seeds: tuple[int, ...]
    threads: int | None = 1
    split: bool = False
    precision: str = "float32"


def shares(cores: int) -> tuple[int, ...]:
    """The seeds of one stack, split over processes."""
    return tuple(len(range(i, SEEDS, cores)) for i in range(min(cores, SEEDS)))


def ways(cores: int, learner: str) -> dict[str, Way]:
    """The ways that take turns, by name.

    Args:
        cores: Of this machine.
        learner: Name; the single file and JAX have some learners alone.
    """
    known = {
        "ours, one seed, one core": Way("ours", (1,)),
        "ours, one core": Way("ours", (SEEDS,)),
        "ours, all cores": Way("ours", (SEEDS,) * cores),
        "ours, all cores, the seeds split": Way("ours", shares(cores), split=True),
        "d3rlpy, one core": Way("d3rlpy", (1,)),
        "d3rlpy, as it comes": Way("d3rlpy", (1,), None),
        "d3rlpy, all cores": Way("d3rlpy", (1,) * cores),
    }
    if hasattr(loop, "check_precision"):  # trains in bfloat16
        for name, stacks in (("one core", 1), ("all cores", cores)):
            way = Way("ours", (SEEDS,) * stacks, precision="bfloat16")
            known[f"ours, {name}, bfloat16"] = way
    if learner in single_file.LEARNERS:
        known["single file, one core"] = Way("single_file", (1,))
        known["single file, as it comes"] = Way("single_file", (1,), None)
        known["single file, all cores"] = Way("single_file", (1,) * cores)
    if learner in IN_JAX:
        known["JAX, one seed, one core"] = Way("jax", (1,))
        known["JAX, one core"] = Way("jax", (SEEDS,))
    return known


def yaml_of(learner: str) -> dict[str, Any]:
    """Parameters of a learner as its YAML has them."""
    text = (PARAMS / f"{learner}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def staff(crew: Crew, name: str, way: Way) -> list[Worker]:
    """The processes of a way; those that served another learner serve again."""
    many = range(len(way.seeds))
    return [crew.get(f"{name} {i}", way.kind, way.threads) for i in many]


def request(way: Way, i: int, learner: str, hidden: list[int], data: Path) -> Any:
    """The request to process ``i`` of a way to build a learner."""
    asked: dict[str, Any] = {"do": "build", "learner": learner, "hidden": hidden}
    asked |= {"batch": BATCH, "data": str(data)}
    if way.kind == "d3rlpy":
        return asked | ({"samples": samples()} if learner == "cql" else {})
    first = sum(way.seeds[:i])
    seeds = list(range(first, first + way.seeds[i]))
    if way.kind == "jax":
        return asked | {"seeds": seeds}
    return asked | {"seeds": seeds, "precision": way.precision}


def samples() -> int:
    """Actions that our CQL draws from each of its three sources."""
    return int(yaml_of("cql")["samples"])


def speed(way: Way, answers: Sequence[dict[str, float]]) -> float:
    """Updates x seeds per second of a way, from the answers of its processes."""
    rates = [answer["updates"] / answer["seconds"] for answer in answers]
    if way.split:
        return min(rates) * sum(way.seeds)
    return sum(rate * n for rate, n in zip(rates, way.seeds, strict=True))


def products(workers: Sequence[Worker]) -> dict[str, dict[str, float]]:
    """The product rate of one core and of all at once, 10^9 operations a second."""
    rates: dict[str, dict[str, float]] = {"one core": {}, "all cores": {}}
    for dtype in DTYPES:
        asked = {"do": "product", "dtype": dtype, "seconds": PRODUCT_SECONDS}
        for name, chosen in (("one core", workers[:1]), ("all cores", workers)):
            answers = together(chosen, [asked] * len(chosen))
            rates[name][dtype] = round(sum(x["gflops"] for x in answers), 1)
    return rates


def row(
    crew: Crew, learner: str, width: int, data: Path, rounds: int, seconds: float
) -> dict[str, Any]:
    """Measure one learner and width: every way in turn, for some rounds.

    Args:
        crew: The processes.
        learner: Name.
        width: Of both hidden layers.
        data: Folder that ``episodes.py`` wrote.
        rounds: >= 1.
        seconds: Of each way and round.
    """
    cores, hidden = len(os.sched_getaffinity(0)), [width] * 2
    known, staffs, gflop = ways(cores, learner), {}, 0.0
    for name, way in known.items():
        staffs[name] = staff(crew, name, way)
        asked = [request(way, i, learner, hidden, data) for i in range(len(way.seeds))]
        about = together(staffs[name], asked)
        gflop = about[0].get("gflop_an_update", gflop)
    taken: list[dict[str, Any]] = []
    for number in range(rounds):
        say = f"{learner} {width}x{width}, round {number + 1} of {rounds}"
        print(say, file=sys.stderr, flush=True)  # noqa: T201 - a quarter of an hour
        rates = [products(staffs["ours, all cores"])]
        speeds = {}
        for name, way in known.items():
            asked = [{"do": "train", "seconds": seconds}] * len(way.seeds)
            speeds[name] = round(speed(way, together(staffs[name], asked)), 2)
        rates.append(products(staffs["ours, all cores"]))
        taken.append({"speeds": speeds, "products": mean(rates)})
    return {
        "learner": learner,
        "hidden": hidden,
        "gflop_an_update": round(gflop, 4),
        "rounds": taken,
    }


def mean(rates: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Mean of the product rates before and after a round."""
    return {
        cores: {
            dtype: round(statistics.mean(x[cores][dtype] for x in rates), 1)
            for dtype in DTYPES
        }
        for cores in rates[0]
    }


def measure(rounds: int = 5, seconds: float = 1.5) -> dict[str, Any]:
    """Measure all learners and widths.

    Args:
        rounds: >= 1.
        seconds: Of each way and round.
    """
    with tempfile.TemporaryDirectory() as folder, Crew(Path(folder)) as crew:
        data = Path(folder) / "episodes"
        episodes.write(data)
        rows = [
            row(crew, learner, width, data, rounds, seconds)
            for width in WIDTHS
            for learner in LEARNERS
            if (PARAMS / f"{learner}.yaml").exists()
        ]
        peer = crew.get("d3rlpy, as it comes 0", "d3rlpy", None)
        about = together([peer], [{"do": "versions"}])[0]
    return {
        "batch": BATCH,
        "seeds": SEEDS,
        "seconds": seconds,
        "peer": about,
        "rows": rows,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help=">= 1")
    parser.add_argument("--seconds", type=float, default=1.5, help="a way and round")
    arguments = parser.parse_args()
    result = measure(arguments.rounds, arguments.seconds)
    print(json.dumps(result, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
