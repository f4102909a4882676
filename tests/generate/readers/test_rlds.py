"""RLDS datasets as tensorflow-datasets stores them, written by an own writer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.generate.imported.readers import rlds
from tasks.generate.imported.tfrecord import masked_crc
from tests.generate.readers.reading import read, read_or_refused, refusal
from tests.generate.readers.rlds_files import (
    IMAGE,
    STEP,
    TEXT,
    crc32c,
    dataset,
    framed,
    group,
    masked,
    rows,
    tensor,
)

SHARDS = [[rows(0, 4, True), rows(1, 3, False)], [rows(2, 300, True)]]


@pytest.mark.parametrize("packed", [True, False])
def test_the_last_row_is_an_observation_alone(tmp_path: Path, packed: bool):
    logs, stated = read(rlds, dataset(tmp_path / "d", SHARDS, packed))
    assert len(logs) == 3
    for log, values in zip(logs, SHARDS[0] + SHARDS[1], strict=True):
        assert (log.observations["state"] == values["steps/observation/state"]).all()
        gripper = log.observations["gripper"]
        assert (gripper == values["steps/observation/gripper"]).all()
        assert (log.actions == values["steps/action"][:-1]).all()
        assert log.rewards is not None
        assert (log.rewards == values["steps/reward"][:-1]).all()
    assert [log.terminated for log in logs] == [True, False, True]
    assert [log.truncated for log in logs] == [False, True, False]
    assert logs[1].where == "toy-train.tfrecord-00000-of-00002, record 1"
    assert stated.notes == []


def test_rows_that_hold_what_led_to_them_are_shifted_when_said(tmp_path: Path):
    folder = dataset(tmp_path / "d", SHARDS)
    log, values = read(rlds, folder, alignment="dm_env")[0][0], SHARDS[0][0]
    assert (log.actions == values["steps/action"][1:]).all()
    assert log.rewards is not None
    assert (log.rewards == values["steps/reward"][1:]).all()


def test_a_folder_of_one_version(tmp_path: Path):
    dataset(tmp_path / "toy/1.0.0", SHARDS)
    assert len(read(rlds, tmp_path / "toy")[0]) == 3


def test_splits(tmp_path: Path):
    folder = dataset(tmp_path / "d", SHARDS)
    dataset(folder, [[rows(3, 5, True)]], split="test")
    assert len(read(rlds, folder)[0]) == 4
    (log,), _ = read(rlds, folder, filter="test")
    assert len(log.actions) == 4
    line = refusal(rlds, folder, filter="val")
    assert "filter: found val, expected one of test, train" in line


def test_actions_of_several_parts_and_a_discount(tmp_path: Path):
    values = rows(0, 3, True)
    values["steps/action/turn"] = values.pop("steps/action")
    values["steps/action/grip"] = np.arange(3)
    values["steps/discount"] = np.full(3, 0.9, np.float32)
    action = group(turn=tensor("float32", 2), grip=tensor("int64"))
    (log,), stated = read(rlds, dataset(tmp_path / "d", [[values]], action=action))
    assert log.actions[:, 0].tolist() == [0, 1]
    assert (log.actions[:, 1:] == values["steps/action/turn"][:-1]).all()
    assert stated.notes == [
        "actions: action/grip, action/turn, in this order",
        "discount other than 0 and 1 in 1 episodes, which no stage reads",
    ]


def test_pictures_are_refused_unless_left_out_and_text_is_left_out(tmp_path: Path):
    values = rows(0, 3, True)
    values["steps/observation/camera"] = [b"\x89PNG"] * 3
    values["steps/observation/words"] = [b"go"] * 3
    parts = STEP["observation"]["featuresDict"]["features"]
    observation = group(**parts, camera=IMAGE, words=TEXT)
    folder = dataset(tmp_path / "d", [[values]], observation=observation)
    line = refusal(rlds, folder)
    assert "steps/observation/camera: found feature image, expected numbers" in line
    assert "obs_keys=" in line
    (log,), _ = read(rlds, folder, obs_keys=("state",))
    assert list(log.observations) == ["state"]
    keys = ("state", "words")
    (log,), stated = read(rlds, folder, obs_keys=keys)
    assert list(log.observations) == ["state"]
    assert stated.notes == ["not read, as it is text: observation/words"]
    line = refusal(rlds, folder, obs_keys=("x",))
    assert "observation/x: found nothing, expected camera, gripper, state" in line


def test_without_is_terminal_the_end_is_not_known(tmp_path: Path):
    (log,), _ = read(
        rlds,
        dataset(tmp_path / "d", [[rows(0, 3, True)]], is_terminal=None, reward=None),
    )
    assert (log.terminated, log.truncated, log.rewards) == (None, None, None)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"is_last": [0, 1, 1]},
            "record 0, is_last: found row 1, expected row 2 alone",
        ),
        ({"is_last": [0, 0, 0]}, "record 0, is_last: found no row, expected row 2"),
        ({"is_first": [1, 0, 1]}, "record 0, is_first: found row 2, expected row 0"),
        ({"reward": [0.0, 1.0]}, "steps/reward: found 2 values, expected 3 numbers"),
        (
            {"action": [0.5] * 5},
            "steps/action: found 5 values, expected 6 numbers of 3",
        ),
    ],
)
def test_rows_that_do_not_fit(tmp_path: Path, changed: dict[str, Any], line: str):
    values = rows(0, 3, True)
    values |= {f"steps/{name}": np.array(v) for name, v in changed.items()}
    assert line in refusal(rlds, dataset(tmp_path / "d", [[values]]))


@pytest.mark.parametrize(
    ("features", "line"),
    [
        ({"is_last": None}, "steps/is_last: found nothing, expected a flag"),
        ({"action": None}, "steps/action: found nothing to read, expected numbers"),
        ({"action": TEXT}, "steps/action: found feature text, expected numbers"),
        ({"action": IMAGE}, "steps/action: found feature image, expected numbers"),
        ({"action": tensor("float32", -1)}, "found feature tensor of shape (-1,)"),
        ({"action": tensor("float32", 2**40)}, "found feature tensor of shape (1099"),
        ({"action": tensor("object", 2)}, "expected a dtype of numbers and a shape"),
        (
            {"action": tensor("float32", 2, encoding="zlib")},
            "found feature tensor of encoding zlib",
        ),
    ],
)
def test_features_that_are_not_read(
    tmp_path: Path, features: dict[str, Any], line: str
):
    folder = dataset(tmp_path / "d", [[rows(0, 3, True)]], **features)
    assert line in refusal(rlds, folder)


def test_checksums_are_checked(tmp_path: Path):
    assert crc32c(b"123456789") == 0xE3069283  # as tables of CRCs list it
    for content in (b"", b"a", bytes(range(256)) * 5):
        assert masked_crc(content).to_bytes(4, "little") == masked(content)
    folder = dataset(tmp_path / "d", SHARDS)
    path = folder / "toy-train.tfrecord-00000-of-00002"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    line = refusal(rlds, folder)
    assert "toy-train.tfrecord-00000-of-00002: record 0: found checksum 0x" in line


def test_a_length_beyond_the_file_is_refused(tmp_path: Path):
    folder = dataset(tmp_path / "d", [[rows(0, 3, True)]])
    path = folder / "toy-train.tfrecord-00000-of-00001"
    length = (2**60).to_bytes(8, "little")
    path.write_bytes(length + masked(length) + b"abc")
    assert f"record 0: found {2**60} bytes, expected at most 0" in refusal(rlds, folder)
    path.write_bytes(framed(b"no example"))
    assert "expected a tf.train.Example" in refusal(rlds, folder)


def test_missing_files_and_records(tmp_path: Path):
    folder = dataset(tmp_path / "d", SHARDS)
    second = folder / "toy-train.tfrecord-00001-of-00002"
    content = second.read_bytes()
    second.unlink()
    line = refusal(rlds, folder)
    assert "files: found 1, expected 2 files of train, as their names say" in line
    second.write_bytes(content * 2)
    assert "records: found 2, expected 1, as dataset_info.json" in refusal(rlds, folder)
    (folder / "dataset_info.json").unlink()
    assert len(read(rlds, folder)[0]) == 4
    second.rename(tmp_path / "elsewhere")
    second.symlink_to(tmp_path / "elsewhere")
    assert "file: found a link to elsewhere" in refusal(rlds, folder)


def test_what_is_no_rlds(tmp_path: Path):
    (tmp_path / "features.json").write_text(json.dumps({}))
    for source in (tmp_path, tmp_path / "features.json", tmp_path / "missing"):
        assert not rlds.recognises(source)
    line = refusal(rlds, tmp_path)
    assert "steps: found nothing, expected steps, a sequence of features" in line


def test_damaged_folders_are_read_or_refused(tmp_path: Path):
    rng = np.random.default_rng(0)
    folder = dataset(tmp_path / "d", [[rows(0, 4, True), rows(1, 3, False)]])
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for _ in range(40):
            at = int(rng.integers(len(content)))
            path.write_bytes(content[:at])
            read_or_refused(rlds, folder)
            path.write_bytes(content[:at] + rng.bytes(2) + content[at + 2 :])
            read_or_refused(rlds, folder)
        path.write_bytes(content)
    path = folder / "toy-train.tfrecord-00000-of-00001"
    content = path.read_bytes()[12:-4]
    for _ in range(150):  # with a checksum that fits
        at = int(rng.integers(len(content)))
        path.write_bytes(framed(content[:at] + rng.bytes(2) + content[at + 2 :]))
        read_or_refused(rlds, folder)
