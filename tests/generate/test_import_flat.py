"""D4RL's and d3rlpy's files: written in their layout, and one by d3rlpy itself."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.readers import d3rlpy, d4rl
from tests.generate.imports import brought_from

OWN = Path(__file__).parent / "d3rlpy.h5"  # ReplayBuffer.dump of d3rlpy 2.8.1


def rows(n: int = 9, **changes: Any) -> dict[str, Any]:
    """D4RL's arrays: a termination after row 2, a time-out after row 5, a rest."""
    draw = np.random.default_rng(0)
    arrays = {
        "observations": draw.normal(size=(n, 3)).astype(np.float32),
        "actions": draw.uniform(-1, 1, (n, 2)).astype(np.float32),
        "rewards": np.arange(n, dtype=np.float32),
        "terminals": np.arange(n) == 2,
        "timeouts": np.arange(n) == 5,
    }
    return {name: v for name, v in (arrays | changes).items() if v is not None}


def written(path: Path, arrays: dict[str, Any], **more: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            large = {"compression": "gzip"} if np.ndim(values) else {}
            file.create_dataset(name, data=values, **large, **more)
    return path


def test_d4rl_without_next_observations(tmp_path: Path):
    arrays = rows()
    file = written(tmp_path / "a.dat", arrays)
    assert d4rl.recognises(file)
    logs, brought = brought_from(file)
    assert logs.format == "d4rl"
    first, second, third = brought.episodes
    assert first.terminations[-1]
    assert np.array_equal(first.observations[:3], arrays["observations"][:3])
    assert np.array_equal(first.observations[3], arrays["observations"][2])
    assert second.truncations[-1]
    assert second.rewards.tolist() == [3, 4]
    assert np.array_equal(second.observations, arrays["observations"][3:6])
    assert third.truncations[-1]
    assert third.rewards.tolist() == [6, 7]
    text = " ".join(brought.notes)
    for words in ("was not finished", "repeated, as none", "left out, as no obs"):
        assert words in text


def test_d4rl_with_next_observations_keeps_every_step(tmp_path: Path):
    following = np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)
    arrays = rows(next_observations=following)
    _, brought = brought_from(written(tmp_path / "a.h5", arrays))
    assert [len(e) for e in brought.episodes] == [3, 3, 3]
    for episode, last in zip(brought.episodes, (2, 5, 8), strict=True):
        assert np.array_equal(episode.observations[-1], following[last])


def test_d4rl_without_time_outs_needs_a_limit(tmp_path: Path):
    file = written(tmp_path / "a.h5", rows(timeouts=None, terminals=np.zeros(9)))
    words = r'timeouts: found no column.*OPTIONS="max_episode_steps=1000"'
    with pytest.raises(RefusedError, match=words):
        brought_from(file)
    _, brought = brought_from(file, max_episode_steps=4, final_obs="repeat")
    assert [len(e) for e in brought.episodes] == [4, 4, 1]
    both = written(tmp_path / "b.h5", rows(timeouts=None))
    _, brought = brought_from(both, max_episode_steps=4, final_obs="repeat")
    assert [len(e) for e in brought.episodes] == [3, 4, 2]
    assert brought.episodes[0].terminations[-1]


def test_d4rl_both_flags_two_axes_densities_and_weights(tmp_path: Path):
    arrays = rows(
        terminals=np.isin(np.arange(9), [2, 5]).astype(np.float32)[:, None],
        rewards=np.arange(9.0)[:, None],
    )
    arrays["infos/action_log_probs"] = np.arange(9.0)
    arrays["infos/qpos"] = np.zeros((9, 4))
    arrays["metadata/policy/fc0/weight"] = np.zeros((2, 2))
    file = written(tmp_path / "a.h5", arrays)
    _, brought = brought_from(file, log_prob="scaled")
    assert [e.terminations[-1] for e in brought.episodes] == [True, True, False]
    assert any("terminated wins: 1" in text for text in brought.notes)
    assert brought.episodes[1].infos["log_prob"].tolist() == [3, 4, 5, 5]


@pytest.mark.filterwarnings("ignore:.*is the same as")
def test_d4rl_in_pieces(tmp_path: Path):
    pieces = {f"virtual/{k}/{n}": v for k in (0, 1, 10) for n, v in rows().items()}
    file = written(tmp_path / "a.h5", pieces)
    assert d4rl.recognises(file)
    _, brought = brought_from(file)
    assert len(brought.episodes) == 9
    assert brought.episodes[6].metadata["logged_as"].startswith("virtual/10, episode 0")


def test_d4rl_columns_of_other_lengths(tmp_path: Path):
    file = written(tmp_path / "a.h5", rows(rewards=np.zeros(8)))
    with pytest.raises(RefusedError, match="rewards: found 8 rows, expected 9"):
        brought_from(file)
    file = written(tmp_path / "b.h5", rows(actions=np.array([["x"] * 2] * 9, "S1")))
    with pytest.raises(RefusedError, match="actions: found .*S1"):
        brought_from(file)


def dumped(path: Path, **changes: Any) -> Path:
    """Two episodes as d3rlpy 2.8 dumps them."""
    keys = ["observations", "actions", "rewards", "terminated"]
    arrays: dict[str, Any] = {"columns": keys, "num_episodes": 2, "version": "2.1"}
    for i, terminated in enumerate((True, False)):
        arrays |= {
            f"observations_{i}": np.arange(12, dtype=np.float32).reshape(4, 3) + i,
            f"actions_{i}": np.array([[0], [2], [1], [0]]),
            f"rewards_{i}": np.arange(4, dtype=np.float32)[:, None],
            f"terminated_{i}": terminated,
        }
    arrays |= changes
    return written(path, {n: v for n, v in arrays.items() if v is not None})


def test_d3rlpy_2(tmp_path: Path):
    file = dumped(tmp_path / "a.h5")
    assert d3rlpy.recognises(file)
    assert not d4rl.recognises(file)
    logs, brought = brought_from(file)
    assert logs.format == "d3rlpy"
    done, out = brought.episodes
    assert done.actions.tolist() == [0, 2, 1, 0]
    assert done.rewards.tolist() == [0, 1, 2, 3]
    assert np.array_equal(done.observations[3], done.observations[4])
    assert len(out) == 3
    assert out.truncations[-1]
    assert out.observations[-1].tolist() == [10, 11, 12]


def test_d3rlpy_2_with_several_observations(tmp_path: Path):
    parts = {f"observations_{i}": None for i in range(2)}
    for i in range(2):
        parts[f"observations_{i}_0"] = np.zeros((4, 2), np.uint8)
        parts[f"observations_{i}_1"] = np.ones((4, 1), np.float32)
    _, brought = brought_from(dumped(tmp_path / "a.h5", **parts))
    assert brought.episodes[0].observations[0].tolist() == [0, 0, 1]


def test_what_d3rlpy_itself_wrote():
    _, brought = brought_from(OWN)
    assert [len(e) for e in brought.episodes] == [3, 4]
    assert [bool(e.terminations[-1]) for e in brought.episodes] == [True, False]
    assert brought.episodes[1].rewards.tolist() == [0, 1, 2, 3]
    assert brought.episodes[1].observations[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_d3rlpy_2_of_obsolete_and_damaged_files(tmp_path: Path):
    with pytest.raises(RefusedError, match=r"version: found 2\.0, which is obsolete"):
        brought_from(dumped(tmp_path / "a.h5", version="2.0"))
    with pytest.raises(RefusedError, match="rewards_1: found nothing"):
        brought_from(dumped(tmp_path / "b.h5", rewards_1=None))
    with pytest.raises(RefusedError, match="terminated_2: found nothing"):
        brought_from(dumped(tmp_path / "c.h5", num_episodes=10**9))


def test_d3rlpy_1(tmp_path: Path):
    ends = np.isin(np.arange(9), [2, 5, 8]).astype(np.float32)
    file = written(tmp_path / "a.h5", rows(timeouts=None, episode_terminals=ends))
    assert d3rlpy.recognises(file)
    assert not d4rl.recognises(file)
    _, brought = brought_from(file)
    assert [len(e) for e in brought.episodes] == [3, 2, 2]
    assert [bool(e.terminations[-1]) for e in brought.episodes] == [True, False, False]


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"x" * 100])
def test_foreign_files_are_not_recognised(tmp_path: Path, content: bytes):
    file = tmp_path / "a.hdf5"
    file.write_bytes(content)
    for reader in (d4rl, d3rlpy):
        assert not reader.recognises(file)
        assert not reader.recognises(tmp_path / "nowhere")
        assert not reader.recognises(tmp_path)
    with pytest.raises(RefusedError, match="format: found none recognised"):
        brought_from(file)
