"""HDF5 of other libraries: D4RL's flat rows, and d3rlpy's arrays an episode."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from tasks.generate.engine.exporting.whole import Whole, padded

BEFORE = slice(-1)  # of T+1 rows those of the T steps


def write_d4rl(folder: Path, data: Whole) -> tuple[list[str], list[str]]:
    """Write ``<name>.hdf5``: rows of all episodes, next observations among them.

    Of infos, (T+1, ...), the first T rows are kept.

    Args:
        folder: Empty.
        data: The dataset.

    Returns:
        What of it the format does not hold, and the infos that an import reads back.
    """
    infos = {
        "action_log_probs" if name == "log_prob" else name: name for name in data.infos
    }
    with h5py.File(folder / f"{data.name}.hdf5", "w") as file:
        for name, values in {
            "observations": data.steps(lambda e: e.observations[:-1]),
            "next_observations": data.steps(lambda e: e.observations[1:]),
            "actions": data.steps(lambda e: e.actions),
            "rewards": data.steps(lambda e: e.rewards),
            "terminals": data.steps(lambda e: e.terminations),
            "timeouts": data.steps(lambda e: e.truncations),
        }.items():
            _store(file, name, values)
        for name, key in infos.items():
            _store(file, f"infos/{name}", data.info(key, BEFORE))
    lost = data.lost(*infos.values())
    if infos:
        lost.append("the infos that followed each episode's last action")
    return lost, [name for name in infos.values() if name == "log_prob"]


def write_d3rlpy(folder: Path, data: Whole) -> tuple[list[str], list[str]]:
    """Write ``<name>.h5`` as d3rlpy 2 dumps a replay buffer.

    An episode that was truncated gets a row more: its last observation, the last action
    again and a reward of 0, which d3rlpy bootstraps from and never trains on. Of one
    that terminated the last observation has no place.

    Args:
        folder: Empty.
        data: The dataset.

    Returns:
        What of it the format does not hold, and the infos that an import reads back.
    """
    terminated = 0
    with h5py.File(folder / f"{data.name}.h5", "w") as file:
        for number, episode in enumerate(data.episodes):
            done = bool(episode.terminations[-1])
            terminated += done
            actions, rewards = episode.actions, episode.rewards
            if not done:
                actions, rewards = padded(actions), padded(rewards, 0.0)
            if isinstance(data.space, Discrete):
                actions = actions[:, None]
            for name, values in {
                "observations": episode.observations[: len(rewards)],
                "actions": actions,
                "rewards": rewards[:, None],
                "terminated": np.array(done),
            }.items():
                _store(file, f"{name}_{number}", values)
        columns = ("observations", "actions", "rewards", "terminated")
        file.create_dataset("columns", data=columns, track_times=False)
        file.create_dataset("version", data="2.1", track_times=False)
        _store(file, "num_episodes", np.array(len(data.episodes)))
    lost = data.lost()
    if terminated:
        lost.append(f"the last observation of {terminated} terminated episodes")
    return lost, []


def _store(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    """Write an array; without a time, so that the same data give the same bytes."""
    file.create_dataset(name, data=values, track_times=False)
