"""Random episodes of hopper's shape that all ways of training read.

100 episodes of 1 000 steps, 11 observations, 3 actions in (-1, 1); one in ten ends
terminated, the others are cut. They lie in a folder, an array a file, with their shapes
in ``shapes.json``: d3rlpy's environment reads them without the project's code.
"""

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

EPISODES, STEPS, O, A = 100, 1000, 11, 3  # noqa: E741 - shapes as in tasks/train


def write(folder: Path) -> None:
    """Write the episodes.

    Arrays, float32: observation (E, T+1, O), action (E, T, A), reward (E, T) and
    terminated (E,), 1 where an episode ends so.

    Args:
        folder: Where; made.
    """
    g = np.random.default_rng(0)
    normal = lambda *shape: g.standard_normal(shape, np.float32)  # noqa: E731
    arrays = {
        "observation": normal(EPISODES, STEPS + 1, O),
        "action": np.tanh(normal(EPISODES, STEPS, A)),
        "reward": normal(EPISODES, STEPS),
        "terminated": (np.arange(EPISODES) % 10 == 0).astype(np.float32),
    }
    folder.mkdir()
    for name, array in arrays.items():
        array.tofile(folder / name)
    shapes = {name: array.shape for name, array in arrays.items()}
    (folder / "shapes.json").write_text(json.dumps(shapes), encoding="utf-8")


@cache
def transitions(folder: Path) -> Any:
    """Read the episodes as transitions.

    Args:
        folder: Where they were written.

    Returns:
        An object with the fields of ``artifacts.dataset.Transitions`` that learners
        read.
    """
    shapes = json.loads((folder / "shapes.json").read_text(encoding="utf-8"))
    file = {
        name: np.fromfile(folder / name, np.float32).reshape(shape)
        for name, shape in shapes.items()
    }
    observation, reward = file["observation"], file["reward"]
    terminated = np.zeros(reward.shape, np.float32)
    terminated[:, -1] = file["terminated"]
    flat = lambda x: np.ascontiguousarray(x).reshape(-1, x.shape[-1])  # noqa: E731
    return SimpleNamespace(
        observation=flat(observation[:, :-1]),
        next_observation=flat(observation[:, 1:]),
        action=flat(file["action"]),
        reward=reward.ravel(),
        terminated=terminated.ravel(),
        observation_mean=np.zeros(O, np.float32),
        observation_std=np.ones(O, np.float32),
        action_low=-np.ones(A, np.float32),
        action_high=np.ones(A, np.float32),
        episode=np.repeat(np.arange(EPISODES), STEPS),
        returns=reward.sum(1),
        dataset_id="random-v0",
        discrete=False,
        legal=None,
        next_legal=None,
        attacked=None,
    )
