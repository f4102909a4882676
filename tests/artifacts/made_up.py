"""Made-up episodes of the hopper's shapes, for the tests of datasets."""

import numpy as np
import pytest

from tasks.artifacts.dataset import Episode
from tasks.worlds import World
from tests.worlds.harness import load

ID = "made-up-v0"
BLOCK = {"_target_": "tasks.worlds.hopper.Hopper", "name": "hopper"}


@pytest.fixture(name="world", scope="module")
def hopper() -> World:
    return load("hopper", ref_min=0.0, ref_max=10.0)


def episode(seed: int, steps: int = 5, terminated: bool = True) -> Episode:
    """A made-up episode of the hopper's shapes."""
    draw = np.random.default_rng(seed)
    end, none = np.arange(steps) == steps - 1, np.zeros(steps, bool)
    return Episode(
        observations=draw.normal(size=(steps + 1, 11)),
        actions=draw.uniform(-1, 1, (steps, 3)).astype(np.float32),
        rewards=draw.normal(size=steps),
        terminations=end if terminated else none,
        truncations=none if terminated else end,
        infos={
            "qpos": draw.normal(size=(steps + 1, 6)),
            "qvel": draw.normal(size=(steps + 1, 6)),
        },
        seed=seed,
        source="a" if seed < 2 else "b",
    )


def three() -> list[Episode]:
    return [episode(0), episode(1, 3, terminated=False), episode(2, 1)]
