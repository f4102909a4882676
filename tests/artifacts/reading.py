"""A dataset's transitions read from its HDF5, episode by episode: what rows must be."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from tasks.artifacts.actions import action_bounds
from tasks.artifacts.minari import actions, box, read_episodes
from tasks.artifacts.opening import MAIN, open_dataset
from tasks.artifacts.readings import MASK, steps
from tasks.artifacts.transitions import Transitions, divisor


def read_transitions(folder: Path) -> Transitions:
    figures, metadata = open_dataset(folder)
    space = actions(folder, metadata)
    low, high = action_bounds(space)
    width = int(np.prod(box(folder, metadata, "observation_space").shape))
    episodes = list(read_episodes(folder / MAIN, metadata["total_episodes"]))
    read = [steps(e, space) for e in episodes]
    n = sum(len(e) for e in episodes)
    total, squares, largest = np.zeros(width), np.zeros(width), np.zeros(width)
    for part in read:
        largest = np.maximum(largest, np.abs(part.observation).max(axis=0))
        total = np.add.reduce(np.vstack([total, part.observation]), axis=0)
    mean = total / n
    for part in read:
        apart = np.square(part.observation - mean)
        squares = np.add.reduce(np.vstack([squares, apart]), axis=0)

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(p, name).astype(np.float32) for p in read])

    def info(name: str, cut: slice, dtype: type) -> np.ndarray | None:
        if not all(name in e.infos for e in episodes):
            return None
        return np.concatenate([e.infos[name][cut].astype(dtype) for e in episodes])

    now, after = slice(None, -1), slice(1, None)
    return Transitions(
        observation=column("observation"),
        action=column("action"),
        reward=column("reward"),
        next_observation=column("next_observation"),
        terminated=np.concatenate([e.terminations for e in episodes]).astype("f4"),
        episode=np.repeat(np.arange(len(episodes)), [len(e) for e in episodes]),
        observation_mean=mean.astype(np.float32),
        observation_std=divisor(np.sqrt(squares / n), largest).astype(np.float32),
        action_low=low.astype(np.float32),
        action_high=high.astype(np.float32),
        returns=np.array([float(np.sum(p.reward, dtype=np.float64)) for p in read]),
        dataset_id=str(metadata["dataset_id"]),
        sha256=str(figures["sha256"]),
        log_prob=info("log_prob", now, np.float64),
        discrete=isinstance(space, Discrete),
        legal=info("legal", now, np.float32),
        next_legal=info("legal", after, np.float32),
        attacked=info(MASK, now, np.float32),
    )


def assert_equal(ours: Any, theirs: Any) -> None:
    """The same fields, to the last bit."""
    for field in dataclasses.fields(theirs):
        x, y = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(y, np.ndarray):
            assert (x.dtype, x.shape) == (y.dtype, y.shape), field.name
            assert x.tobytes() == y.tobytes(), field.name
        else:
            assert x == y, field.name
