"""robomimic files, written by h5py as robomimic writes them."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from gymnasium.spaces import Box

from tasks.generate.imported.readers import robomimic
from tests.generate.readers.reading import read, read_or_refused, refusal

ENV = {
    "env_name": "Lift",
    "env_type": 1,
    "env_kwargs": {"control_freq": 20, "robots": ["Panda"]},
}
LENGTHS = {"demo_0": 4, "demo_2": 3, "demo_10": 5}


def demo(name: str, length: int) -> dict[str, Any]:
    """Arrays of a demonstration by their paths; demo_2 succeeds at its end."""
    draw = np.random.default_rng(length)
    rows = draw.normal(size=(length + 1, 3))
    last = np.arange(length) == length - 1
    return {
        "actions": draw.uniform(-1, 1, (length, 2)),
        "rewards": (last & (name == "demo_2")).astype(float),
        "dones": last.astype(int),
        "states": draw.normal(size=(length, 7)),
        "obs/eef_pos": rows[:-1],
        "obs/object": rows[:-1, :2] * 2,
        "next_obs/eef_pos": rows[1:],
        "next_obs/object": rows[1:, :2] * 2,
    }


def write(
    path: Path,
    without: tuple[str, ...] = (),
    env: str = json.dumps(ENV),
    **changed: Any,
) -> Path:
    """A file; ``changed`` replaces arrays of demo_2, ``__`` standing for a slash."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = env
        data.attrs["total"] = sum(LENGTHS.values())
        for name, length in LENGTHS.items():
            group = data.create_group(name)
            group.attrs["num_samples"] = length
            group.attrs["model_file"] = "<mujoco/>"
            arrays = demo(name, length)
            if name == "demo_2":
                arrays |= {k.replace("__", "/"): v for k, v in changed.items()}
            for key, values in arrays.items():
                if key.split("/")[0] not in without:
                    group.create_dataset(key, data=values, compression="gzip")
        file["mask/train"] = np.array(["demo_10", "demo_2"], dtype="S")
        file["mask/valid"] = np.array(["demo_0"], dtype="S")
        file["mask/gone"] = np.array(["demo_7"], dtype="S")
        file["mask/text"] = ["demo_0"]
    return path


def test_demonstrations_in_the_order_of_their_numbers(tmp_path: Path):
    logs, stated = read(robomimic, write(tmp_path / "a.hdf5"))
    assert [log.where for log in logs] == ["demo_0", "demo_2", "demo_10"]
    assert (stated.env_id, stated.step_seconds) == ("Lift", 0.05)
    assert stated.action_space == Box(-1, 1, (2,), np.float32)
    for log in logs:
        arrays = demo(log.where, LENGTHS[log.where])
        assert (log.actions == arrays["actions"]).all()
        for key in ("eef_pos", "object"):
            assert (log.observations[key][:-1] == arrays[f"obs/{key}"]).all()
            assert (log.observations[key][1:] == arrays[f"next_obs/{key}"]).all()
    assert [log.terminated for log in logs] == [False, True, False]
    assert [log.truncated for log in logs] == [True, False, True]


def test_dones_in_the_middle_mark_success_and_end_nothing(tmp_path: Path):
    dones, rewards = np.array([0, 1, 1]), np.array([0.0, 1.0, 1.0])
    path = write(tmp_path / "a.hdf5", dones=dones, rewards=rewards)
    logs, stated = read(robomimic, path)
    assert len(logs[1].actions) == 3
    assert logs[1].terminated is True
    assert "dones before the last step in 1 demos, kept whole" in stated.notes
    logs, _ = read(robomimic, write(tmp_path / "b.hdf5", dones=np.zeros(3)))
    assert (logs[1].terminated, logs[1].truncated) == (False, True)


def test_a_reward_of_success_where_none_is_stored(tmp_path: Path):
    path = write(tmp_path / "a.hdf5", without=("rewards",))
    assert read(robomimic, path)[0][1].rewards is None
    log = read(robomimic, path, success_reward=2.0)[0][1]
    assert log.rewards is not None
    assert log.rewards.tolist() == [0, 0, 2]


def test_masks_choose_demonstrations(tmp_path: Path):
    path = write(tmp_path / "a.hdf5")
    logs, _ = read(robomimic, path, filter="train")
    assert [log.where for log in logs] == ["demo_2", "demo_10"]
    for name, line in {
        "test": "mask: found test, expected one of gone, text, train, valid",
        "gone": "mask/gone: found demo_7, expected names of demonstrations",
        "text": "mask/text: found object of shape (1,), expected a list of names",
    }.items():
        assert line in refusal(robomimic, path, filter=name)


def test_observations_have_to_be_extracted_first(tmp_path: Path):
    raw = write(tmp_path / "a.hdf5", without=("obs", "next_obs"))
    line = refusal(robomimic, raw)
    assert "demo_0, obs: found nothing" in line
    assert "observation extraction" in line
    log = read(robomimic, raw, use_states=True)[0][0]
    assert log.observations["states"].shape == (4, 7)
    cut = write(tmp_path / "b.hdf5", without=("next_obs",))
    assert "demo_0, next_obs: found nothing" in refusal(robomimic, cut)
    log = read(robomimic, cut, final_obs="drop")[0][0]
    assert len(log.observations["object"]) == 4


def test_pictures_are_refused_unless_left_out(tmp_path: Path):
    path = write(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        for name, length in LENGTHS.items():
            for part in ("obs", "next_obs"):
                pictures = np.zeros((length, 8, 8, 3), np.uint8)
                file[f"data/{name}/{part}/agentview_image"] = pictures
    line = refusal(robomimic, path)
    assert "demo_0, obs/agentview_image: found pictures, expected numbers" in line
    assert "obs_keys=eef_pos,object" in line
    log = read(robomimic, path, obs_keys=("object",))[0][0]
    assert list(log.observations) == ["object"]
    assert "obs/x: found nothing, expected one of agentview_image, eef_pos" in refusal(
        robomimic, path, obs_keys=("x",)
    )


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"rewards": np.zeros(2)}, "demo_2, rewards: found shape (2,), expected (3,)"),
        ({"actions": np.zeros((2, 2))}, "demo_2, rewards: found shape (3,)"),
        (
            {"next_obs__object": np.zeros((2, 2))},
            "demo_2, next_obs/object: found shape",
        ),
        ({"obs__object": np.zeros((2, 2))}, "demo_2, next_obs/object: found shape (3"),
    ],
)
def test_arrays_of_other_lengths(tmp_path: Path, changed: dict[str, Any], line: str):
    assert line in refusal(robomimic, write(tmp_path / "a.hdf5", **changed))


def test_a_stated_length_that_is_not_so(tmp_path: Path):
    path = write(tmp_path / "a.hdf5")
    with h5py.File(path, "a") as file:
        file["data/demo_10"].attrs["num_samples"] = 6
    assert "demo_10, num_samples: found " in refusal(robomimic, path)


@pytest.mark.parametrize("env", ["", "{", "[1]", '{"env_kwargs": {"control_freq": 0}}'])
def test_what_env_args_does_not_say_is_not_known(tmp_path: Path, env: str):
    _, stated = read(robomimic, write(tmp_path / "a.hdf5", env=env))
    assert (stated.env_id, stated.step_seconds) == (None, None)


def test_links_are_not_followed(tmp_path: Path):
    path = write(tmp_path / "a.hdf5")
    write(tmp_path / "b.hdf5")
    with h5py.File(path, "a") as file:
        del file["data/demo_0/obs/object"]
        other = str(tmp_path / "b.hdf5")
        file["data/demo_0/obs/object"] = h5py.ExternalLink(other, "/data/demo_0/states")
    assert "found a link to elsewhere" in refusal(robomimic, path)


def test_what_is_no_robomimic_file(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"\x89HDF\r\n\x1a\n")
    with h5py.File(tmp_path / "b", "w") as file:
        file["observations"] = np.zeros(3)
    for name in ("a", "b", "missing", "."):
        assert not robomimic.recognises(tmp_path / name)


def test_damaged_files_are_read_or_refused(tmp_path: Path):
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.hdf5")
    content = path.read_bytes()
    for _ in range(100):
        at = int(rng.integers(len(content)))
        path.write_bytes(content[:at])
        read_or_refused(robomimic, path)
        path.write_bytes(content[:at] + rng.bytes(4) + content[at + 4 :])
        read_or_refused(robomimic, path)
