"""Recorded pendulums for the tests of quality, diversity and complexity."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.generate.engine.recording import Plan, collect
from tasks.measure.qdc_metrics import QdcMetrics, QdcParams
from tasks.worlds.engine.behaviors import open_behavior
from tests.worlds.harness import load

HERE = Path(__file__).parents[2]
SMALL = {"resamples": 100, "probe_steps": 20, "replayed": 40, "steps": 2_000}
Edit = Callable[[Sequence[Episode]], list[Episode]]


def params(**changes: Any) -> QdcParams:
    """Those of params/report/, smaller."""
    text = (HERE / "params/measure/qdc_metrics.yaml").read_text(encoding="utf-8")
    block = yaml.safe_load(text) | SMALL | changes
    return QdcParams.parse(block, "measure.qdc_metrics")


def metrics(**changes: Any) -> QdcMetrics:
    return QdcMetrics(params(**changes))


def block(name: str, **changes: Any) -> dict[str, Any]:
    path = HERE / f"params/world/{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) | changes


def recorded(
    world: str = "pendulum", episodes: int = 12, seed: int = 0, **changes: Any
) -> list[Episode]:
    """Episodes of the random policy, with the simulator's states."""
    where = load(world, **changes)
    behavior = open_behavior(HERE / "data/behaviors", where, "random", 0.0)
    return collect(
        where, [(behavior, Plan(seed, 0, episodes, None, 4))], lambda *_: None
    )


def write(
    root: Path, name: str, episodes: Sequence[Episode], world: str = "pendulum"
) -> Path:
    """A dataset ``data/datasets/<name>-v0`` below a folder."""
    folder = root / "data/datasets" / f"{name}-v0"
    write_dataset(folder, folder.name, list(episodes), load(world), block(world))
    return folder


def copies(episodes: Sequence[Episode]) -> list[Episode]:
    """All of them the first one."""
    return [replace(episodes[0], seed=k) for k in range(len(episodes))]


def nearly(episodes: Sequence[Episode]) -> list[Episode]:
    """The first one with sensor noise of a thousandth."""
    draw = np.random.default_rng(0)
    return [
        replace(
            episodes[0],
            observations=np.clip(
                episodes[0].observations
                + 1e-3 * draw.normal(size=episodes[0].observations.shape),
                [-1, -1, -8],
                [1, 1, 8],
            ).astype(np.float32),
        )
        for _ in episodes
    ]


def corrupted(episodes: Sequence[Episode]) -> list[Episode]:
    """Every observation shuffled in time, so that nothing follows from anything."""
    draw = np.random.default_rng(0)
    return [replace(e, observations=draw.permutation(e.observations)) for e in episodes]
