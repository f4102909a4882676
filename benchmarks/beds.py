"""Which datasets are alive, and for what: ``python -m benchmarks.beds [DATASET...]``.

Trains four learners on each dataset named, or on all of :data:`DATASETS`, with the
settings of the default study, plays them, and keeps what came of it in
``benchmarks/beds.json``; ``docs/beds.md`` is written from that file alone. A pair of
dataset and learner that was measured with the same data and parameters is not measured
again, so a killed run goes on. ``--page`` writes the page and measures nothing.

Shapes: S seeds, E episodes a seed, O observation.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.beds_page import render
from tasks.artifacts.by_dataset import of_dataset
from tasks.artifacts.compose import composed
from tasks.artifacts.files import read_json, write_json, write_text
from tasks.artifacts.params import build, load
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.study import Effort
from tasks.statistics.intervals import score
from tasks.train import Learner
from tasks.train.engine.horizon import horizon
from tasks.train.engine.loop import settle, train
from tasks.train.engine.parts import Job
from tasks.worlds import Floats, World
from tasks.worlds.engine.episodes import Moment, play

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/beds.json", ROOT / "docs/beds.md"
SEEDS, UPDATES, BATCH, EPISODES = (0, 1, 2, 3, 4), 6_000, 256, 10
SMALL = {"actor_hidden": [128, 128], "actor_rate": 1.0e-3}
CRITICS = {"critic_hidden": [64, 64], "critic_rate": 1.0e-3}
LEARNERS: dict[str, dict[str, Any]] = {  # as quickstart has them
    "bc": SMALL,
    "bc10": SMALL,
    "iql": {**SMALL, **CRITICS, "polyak": 0.03},
    "td3_bc": {**SMALL, **CRITICS, "polyak": 0.05},  # share 1.5: every second update
}
RUNNERS = ("halfcheetah", "hopper", "walker2d")
DATASETS = (
    *(f"{world}_medium_replay" for world in RUNNERS),
    *("pendulum_mixture", "pendulum_random_expert_5", "pendulum_random_expert_10"),
    *("hopper_random_expert_5", "hopper_random_expert_10"),
    *(f"{world}_{kind}" for world in RUNNERS for kind in ("medium", "medium_expert")),
)


def main(names: list[str]) -> None:
    """Measure what is missing of some datasets, and write the page."""
    results = read_json(RESULTS, "") if RESULTS.exists() else {"datasets": {}}
    results["settings"] = {
        "seeds": list(SEEDS),
        "updates": UPDATES,
        "batch": BATCH,
        "episodes": EPISODES,
        "learners": LEARNERS,
    }
    if names != ["--page"]:
        settle()
        for name in names or DATASETS:
            measure(name, results)
    write_text(PAGE, render(results))


def measure(name: str, results: dict[str, Any]) -> None:
    """Record a dataset in a folder of its own, train and play, and keep the figures.

    Args:
        name: Of the dataset.
        results: What is kept so far; written after each learner.
    """
    group = f"+dataset@dataset.{name}={name}"
    params = yaml.safe_load(composed(["study=discrete", group], ROOT / "params"))
    block = params["dataset"][name]
    own = results["datasets"].setdefault(name, {"learners": {}})
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        world = block["world"]["name"]
        shutil.copytree(
            ROOT / "data/behaviors" / world, place / "data/behaviors" / world
        )
        write_text(place / "params.yaml", yaml.safe_dump(params))
        command = [sys.executable, "-m", "tasks.generate", "--dataset", name]
        paths = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=place, env=paths, check=True)
        source = place / f"data/datasets/{name}-v0"
        data, card = load_transitions(source), read_json(source / "card.json", "")
        built: World = build(block["world"], f"dataset.{name}.world")
        scale = built.params.ref_max - built.params.ref_min
        if own.get("sha256") != card["sha256"]:
            own = results["datasets"][name] = {"learners": {}}
        own |= {
            "sha256": card["sha256"],
            "episodes": card["episodes"],
            "steps": card["steps"],
            "score": 100 * (card["return"]["mean"] - built.params.ref_min) / scale,
            "ended_early": float(data.terminated.sum() / card["episodes"]),
        }
        for learner, numbers in LEARNERS.items():
            whole = {**load(ROOT / f"params/train/{learner}.yaml"), **numbers}
            asked = of_dataset(whole, name, f"train.{learner}")
            if own["learners"].get(learner, {}).get("block") == asked:
                continue
            figures = of_learner(learner, asked, data, built, scale)
            own["learners"][learner] = {**figures, "block": asked}
            write_json(RESULTS, results)
            shown = {k: v for k, v in figures.items() if k != "per_seed"}
            print(name, learner, shown, flush=True)  # noqa: T201


def of_learner(
    name: str, block: Mapping[str, Any], data: Any, world: World, scale: float
) -> dict[str, Any]:
    """Train a learner and play it.

    Args:
        name: Its name.
        block: Its parameters for this dataset.
        data: The dataset.
        world: Where it plays.
        scale: Return of score 100 less that of score 0.

    Returns:
        Scores a seed, their mean and interval, how many episodes ended early, steps of
        a median episode, and how far the critics came.
    """
    effort = Effort(SEEDS, UPDATES, BATCH, 0, "float32", 1, "cpu")
    learner = Job(name, block, data, effort, {name: {}}).learner([name], SEEDS)
    curves = train(learner, data, UPDATES, BATCH)
    played = play(
        world.make(len(SEEDS) * EPISODES),
        acting(learner, world),
        [*range(EPISODES)] * len(SEEDS),
    )
    table = played.returns.reshape(len(SEEDS), EPISODES)
    table = 100 * (table - world.params.ref_min) / scale
    figure = score(table, confidence=0.95, resamples=1, resample_seed=0)
    return {
        "per_seed": [round(value, 2) for value in figure.per_seed],
        "score": figure.middle,
        "low": figure.low,
        "high": figure.high,
        "ended_early": float(played.terminated.mean()),
        "length": float(np.median(played.lengths)),
        "horizon": horizon(learner, block, data, curves),
    }


def acting(learner: Learner[Any], world: World) -> Any:
    """Actions of all seeds' policies; episode s E + e is played by seed s."""
    policy, width = learner.policy(), learner.spaces.observation
    space: Any = world.action_space
    rows = torch.zeros(len(SEEDS), EPISODES, width)

    def act(moment: Moment) -> Floats:
        flat = rows.view(-1, width)
        flat[moment.episode] = torch.from_numpy(moment.observation.astype(np.float32))
        with torch.no_grad():
            actions = policy(rows).flatten(0, 1).numpy()[moment.episode]
        clipped: Floats = np.clip(actions, space.low, space.high)
        return clipped

    return act


if __name__ == "__main__":
    main(sys.argv[1:])
