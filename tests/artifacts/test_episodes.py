"""Episodes: what no later stage could believe is refused, by name and place."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.dataset import check_episodes, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, ID, episode, hopper, three  # noqa: F401


def change(values: np.ndarray, at: tuple[int, ...], to: float) -> np.ndarray:
    values = values.copy()
    values[at] = to
    return values


BAD = {
    "nan observation": (
        lambda e: {"observations": change(e.observations, (2, 4), np.nan)},
        "episode 1, step 2, observations: found nan",
    ),
    "infinite reward": (
        lambda e: {"rewards": change(e.rewards, (1,), np.inf)},
        "episode 1, step 1, rewards: found inf",
    ),
    "nan qpos": (
        lambda e: {"infos": {"qpos": change(e.infos["qpos"], (3, 0), np.nan)}},
        "episode 1, step 3, infos/qpos",
    ),
    "short qpos": (
        lambda e: {"infos": {"qpos": e.infos["qpos"][:-1]}},
        "episode 1, step 0, infos/qpos: found shape",
    ),
    "action width": (
        lambda e: {"actions": e.actions[:, :2]},
        r"episode 1, step 0, actions: found shape \(3, 2\)",
    ),
    "observation width": (
        lambda e: {"observations": e.observations[:, :9]},
        "episode 1, step 0, observations",
    ),
    "action out of bounds": (
        lambda e: {"actions": change(e.actions, (2, 1), 1.5)},
        "episode 1, step 2, actions: found 1.5 in column 1, expected -1.0 to 1.0",
    ),
    "final observation": (
        lambda e: {"observations": e.observations[:-1]},
        "episode 1, step 3, observations: .*final observation is missing",
    ),
    "empty": (
        lambda e: {"observations": e.observations[:1], "rewards": e.rewards[:0]},
        "episode 1, rewards: found 0 steps",
    ),
    "both ends": (
        lambda e: {"terminations": e.truncations},
        "episode 1, step 2, terminations/truncations: found both",
    ),
    "no end": (
        lambda e: {"truncations": e.terminations},
        "episode 1, step 2, terminations/truncations: found neither",
    ),
    "early end": (
        lambda e: {"terminations": e.truncations[::-1]},
        "episode 1, step 0, .*before the last step",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_episodes_are_refused_before_anything_is_written(
    case: str, world: World, tmp_path: Path
):
    spoil, message = BAD[case]
    episodes = three()
    episodes[1] = dataclasses.replace(episodes[1], **spoil(episodes[1]))
    with pytest.raises(RefusedError, match=f"{ID}: {message}"):
        write_dataset(tmp_path / ID, ID, episodes, world, BLOCK)
    assert list(tmp_path.iterdir()) == []


def test_no_episodes_are_refused(world: World):
    with pytest.raises(RefusedError, match="episodes: found none"):
        check_episodes([], world.observation_space, world.action_space, ID)


def test_equal_rewards_and_duplicates_warn(world: World):
    spaces = world.observation_space, world.action_space
    same = [dataclasses.replace(e, rewards=np.ones(len(e))) for e in three()]
    check_episodes(same, *spaces, ID)  # two terminate, so their lengths tell
    cut = [
        dataclasses.replace(
            e,
            terminations=0 * e.terminations,
            truncations=e.terminations | e.truncations,
        )
        for e in same
    ]
    with pytest.warns(UserWarning, match="rewards: all equal 1.0"):
        check_episodes(cut, *spaces, ID)
    with pytest.warns(UserWarning, match="episode 3 is the same as episode 0"):
        check_episodes([*three(), episode(0)], *spaces, ID)
