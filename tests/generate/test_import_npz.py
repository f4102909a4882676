"""npz files in the layouts that are recognised, and what numpy would run code for."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.readers import npz
from tests.generate.imports import brought_from

N = 8
ENDS = np.isin(np.arange(N), [3, 7])
PLAIN: dict[str, Any] = {
    "observations": np.arange(2 * N, dtype=np.float32).reshape(N, 2),
    "actions": np.linspace(-1, 1, N, dtype=np.float32)[:, None],
    "rewards": np.arange(N, dtype=np.float32),
}


def saved(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_rows_with_both_flags(tmp_path: Path):
    flags = {"terminals": np.arange(N) == 3, "timeouts": np.arange(N) == 7}
    file = saved(tmp_path / "a.npz", **PLAIN, **flags)
    assert npz.recognises(file)
    logs, brought = brought_from(file)
    assert logs.format == "npz"
    assert [len(e) for e in brought.episodes] == [4, 3]
    assert [bool(e.terminations[-1]) for e in brought.episodes] == [True, False]
    assert brought.notes[0].startswith("arrays: obs: observations, action: actions")


def test_short_names_next_observations_and_fortran_order(tmp_path: Path):
    file = saved(
        tmp_path / "a.npz",
        obs=np.asfortranarray(PLAIN["observations"]),
        act=PLAIN["actions"],
        rew=PLAIN["rewards"],
        next_obs=PLAIN["observations"] + 100,
        done=ENDS,
        timeout=np.arange(N) == 7,
    )
    _, brought = brought_from(file)
    assert [len(e) for e in brought.episodes] == [4, 4]
    assert [bool(e.terminations[-1]) for e in brought.episodes] == [True, False]
    assert brought.episodes[0].observations[-1].tolist() == [106, 107]
    assert np.array_equal(
        brought.episodes[0].observations[:4], PLAIN["observations"][:4]
    )


def test_done_alone_does_not_say_how(tmp_path: Path):
    file = saved(tmp_path / "a.npz", **PLAIN, dones=ENDS)
    with pytest.raises(
        RefusedError, match=r'rows 0 to 3, terminated/.*"end=truncated"'
    ):
        brought_from(file)
    _, brought = brought_from(file, end="terminated")
    assert [bool(e.terminations[-1]) for e in brought.episodes] == [True, True]


def test_no_flags_at_all_need_a_limit(tmp_path: Path):
    file = saved(tmp_path / "a.npz", **PLAIN)
    with pytest.raises(RefusedError, match="max_episode_steps=1000"):
        brought_from(file)
    _, brought = brought_from(file, max_episode_steps=4, final_obs="repeat")
    assert [len(e) for e in brought.episodes] == [4, 4]


def test_names_that_say_nothing_are_mapped(tmp_path: Path):
    file = saved(
        tmp_path / "a.npz",
        x=PLAIN["observations"],
        u=PLAIN["actions"],
        r=PLAIN["rewards"],
        end=ENDS,
    )
    assert not npz.recognises(file)
    names = {"obs": "x", "action": "u", "reward": "r", "truncated": "end"}
    _, brought = brought_from(file, format="npz", map=names)
    assert [len(e) for e in brought.episodes] == [3, 3]
    for wrong, match in (
        ({"obs": "y"}, r"map.obs: found y, expected one of end, r, u, x"),
        ({"view": "x"}, r"map.view: found an unknown key"),
        ({"obs": "x"}, r"action: found arrays end, r, u, x"),
    ):
        with pytest.raises(RefusedError, match=match):
            brought_from(file, format="npz", map=wrong)


def test_ogbench_ends_are_no_failures(tmp_path: Path):
    file = saved(
        tmp_path / "a.npz",
        observations=PLAIN["observations"],
        actions=PLAIN["actions"],
        terminals=ENDS.astype(np.float32),
        qpos=np.zeros((N, 3)),
    )
    with pytest.warns(UserWarning, match="all equal 0"):
        _, brought = brought_from(file)
    assert [len(e) for e in brought.episodes] == [3, 3]
    assert not any(e.terminations.any() for e in brought.episodes)
    assert np.array_equal(brought.episodes[1].observations, PLAIN["observations"][4:])
    assert any("none in the source, 0 each, steps: 6" in n for n in brought.notes)


@pytest.mark.filterwarnings("ignore:.*is the same as")
def test_dreamer_rewards_belong_to_the_row_before(tmp_path: Path):
    for name, terminal in (("a", True), ("b", False)):
        saved(
            tmp_path / f"{name}.npz",
            image=np.arange(8 * 12, dtype=np.uint8).reshape(8, 2, 2, 3),
            action=PLAIN["actions"],
            reward=PLAIN["rewards"],
            is_first=np.arange(N) == 0,
            is_last=np.arange(N) == 7,
            is_terminal=(np.arange(N) == 7) & terminal,
        )
    assert npz.recognises(tmp_path)
    _, brought = brought_from(tmp_path)
    first, second = brought.episodes
    assert first.rewards.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert np.array_equal(first.actions, PLAIN["actions"][1:])
    assert first.observations.shape == (8, 12)
    assert first.terminations[-1]
    assert second.truncations[-1]
    assert second.metadata["logged_as"].startswith("b.npz, episode 0")


def test_objects_are_refused(tmp_path: Path):
    actions = np.array([{}] * N, object)
    file = saved(tmp_path / "a.npz", **PLAIN | {"actions": actions})
    with pytest.raises(RefusedError, match="actions: found objects of Python, which"):
        brought_from(file, max_episode_steps=4)


def test_sizes_that_are_not_there_are_refused(tmp_path: Path):
    file = saved(tmp_path / "a.npz", **PLAIN)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = members["rewards.npy"].replace(b"(8,), }  ", b"(99999999999,), }")
    for name, content, match in (
        ("rewards", header[:200], "rewards: found "),
        ("actions", members["actions.npy"][:-5], "actions: found "),
        ("actions", b"no array", "actions: found "),
    ):
        with zipfile.ZipFile(file, "w") as archive:
            for member, data in (members | {f"{name}.npy": content}).items():
                archive.writestr(member, data)
        with pytest.raises(RefusedError, match=match):
            brought_from(file, max_episode_steps=4)


def test_foreign_files_are_not_recognised(tmp_path: Path):
    assert not npz.recognises(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no zip")
    assert not npz.recognises(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("policy.pth", b"x")
    assert not npz.recognises(tmp_path / "b.zip")
