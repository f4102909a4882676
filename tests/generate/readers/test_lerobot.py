"""LeRobot folders of versions 2.0 to 3.0, written by pyarrow as LeRobot lays them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tasks.generate.imported.readers import lerobot
from tests.generate.readers.reading import read, read_or_refused, refusal

FPS = 10
LENGTHS = (4, 3, 11)
FLOATS = {"dtype": "float32", "names": None}
FEATURES = {
    "observation.state": FLOATS | {"shape": [2]},
    "observation.environment_state": FLOATS | {"shape": [1]},
    "action": FLOATS | {"shape": [2]},
    "timestamp": FLOATS | {"shape": [1]},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
    "next.reward": FLOATS | {"shape": [1]},
    "next.done": {"dtype": "bool", "shape": [1], "names": None},
    "next.success": {"dtype": "bool", "shape": [1], "names": None},
}


def frames(number: int, length: int) -> dict[str, Any]:
    """An episode as LeRobot stores it; only the second one succeeds."""
    draw = np.random.default_rng(number)
    last = np.arange(length) == length - 1
    return {
        "observation.state": draw.normal(size=(length, 2)).astype(np.float32),
        "observation.environment_state": np.arange(length, dtype=np.float32),
        "action": draw.normal(size=(length, 2)).astype(np.float32),
        "timestamp": (np.arange(length) / FPS).astype(np.float32),
        "frame_index": np.arange(length),
        "episode_index": np.full(length, number),
        "index": np.arange(length),
        "task_index": np.zeros(length, np.int64),
        "next.reward": draw.normal(size=length).astype(np.float32),
        "next.done": last,
        "next.success": last & (number == 1),
    }


def store(path: Path, values: dict[str, Any]) -> None:
    columns = {}
    for name, column in values.items():
        if np.ndim(column) == 2:
            flat = pa.array(column.ravel())
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, column.shape[1])
        else:
            columns[name] = pa.array(column)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)


def dataset(
    folder: Path, version: str, episodes: list[dict[str, Any]], **info: Any
) -> Path:
    """A folder of a version; ``info`` replaces what info.json says."""
    chunk = folder / "data/chunk-000"
    if version == "v3.0":
        names = list(episodes[0])
        whole = {n: np.concatenate([e[n] for e in episodes]) for n in names}
        store(chunk / "file-000.parquet", whole)
    else:
        for number, values in enumerate(episodes):
            store(chunk / f"episode_{number:06d}.parquet", values)
    stated = {
        "codebase_version": version,
        "fps": FPS,
        "total_episodes": len(episodes),
        "total_frames": sum(len(e["index"]) for e in episodes),
        "splits": {"train": "0:2", "test": "2:3"},
        "data_path": "../../{episode_index.__class__}",  # never followed
        "features": {name: FEATURES[name] for name in episodes[0]},
    }
    (folder / "meta").mkdir(parents=True, exist_ok=True)
    (folder / "meta/info.json").write_text(json.dumps(stated | info))
    return folder


def three(**changed: Any) -> list[dict[str, Any]]:
    """Three episodes; a column replaced by None is left out."""
    made = [frames(n, length) | changed for n, length in enumerate(LENGTHS)]
    return [{k: v for k, v in e.items() if v is not None} for e in made]


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_frames_become_steps_but_the_last(tmp_path: Path, version: str):
    logs, stated = read(lerobot, dataset(tmp_path / "d", version, three()))
    assert stated.step_seconds == 0.1
    assert [log.where for log in logs] == [f"episode_index {n}" for n in range(3)]
    for log, values in zip(logs, three(), strict=True):
        steps = len(values["action"]) - 1
        for name in ("observation.state", "observation.environment_state"):
            assert (log.observations[name] == values[name]).all()
        assert (log.actions == values["action"][:steps]).all()
        assert log.rewards is not None
        assert (log.rewards == values["next.reward"][:steps]).all()
    assert [log.terminated for log in logs] == [False, True, False]
    assert [log.truncated for log in logs] == [True, False, True]


def test_rows_and_files_in_any_order(tmp_path: Path):
    values = three()
    names = list(values[0])
    whole = {n: np.concatenate([e[n] for e in values]) for n in names}
    order = np.random.default_rng(0).permutation(sum(LENGTHS))
    folder = dataset(tmp_path / "a", "v3.0", values)
    plain = read(lerobot, folder)[0]
    store(
        folder / "data/chunk-000/file-000.parquet",
        {n: v[order] for n, v in whole.items()},
    )
    for log, other in zip(read(lerobot, folder)[0], plain, strict=True):
        assert (log.actions == other.actions).all()


def test_more_than_ten_files(tmp_path: Path):
    values = [frames(n, 2) for n in range(12)]
    folder = dataset(tmp_path / "d", "v2.1", values)
    for number in range(12):  # names of another width, as of a million episodes
        old = folder / f"data/chunk-000/episode_{number:06d}.parquet"
        old.rename(folder / f"data/chunk-000/episode_{number}.parquet")
    logs = read(lerobot, folder)[0]
    assert [log.where for log in logs] == [f"episode_index {n}" for n in range(12)]


def test_a_reward_on_the_last_frame_alone_goes_to_the_last_step(tmp_path: Path):
    values = three()
    for episode in values:
        episode["next.reward"] = episode["next.done"].astype(np.float32)
    logs, stated = read(lerobot, dataset(tmp_path / "d", "v3.0", values))
    assert [log.rewards.tolist() for log in logs if log.rewards is not None][:2] == [
        [0, 0, 1],
        [0, 1],
    ]
    text = "next.reward of the last frame given to the step before it"
    assert stated.notes.count(text) == 1


def test_the_last_observation_repeated(tmp_path: Path):
    folder = dataset(tmp_path / "d", "v3.0", three())
    log = read(lerobot, folder, final_obs="repeat")[0][0]
    assert len(log.actions) == len(log.observations["observation.state"]) == 4


def test_ends_without_success_are_said_by_the_user(tmp_path: Path):
    values = three(**{"next.success": None, "next.reward": None})
    folder = dataset(tmp_path / "d", "v2.1", values)
    logs, stated = read(lerobot, folder)
    assert {(log.terminated, log.truncated) for log in logs} == {(False, True)}
    assert logs[0].rewards is None
    assert any("no next.success, taken as truncated" in note for note in stated.notes)
    logs, _ = read(lerobot, folder, end="terminated")
    assert {(log.terminated, log.truncated) for log in logs} == {(True, False)}


def test_done_before_the_last_frame_is_noted(tmp_path: Path):
    values = three()
    values[2]["next.done"] = values[2]["next.done"].copy()
    values[2]["next.done"][5] = True
    _, stated = read(lerobot, dataset(tmp_path / "d", "v3.0", values))
    assert "next.done in 1 frames before the last; kept whole" in stated.notes


def test_tasks_that_no_observation_tells_apart_are_noted(tmp_path: Path):
    values = three()
    values[1]["task_index"] += 1
    _, stated = read(lerobot, dataset(tmp_path / "d", "v3.0", values))
    assert "2 tasks, which no observation tells apart" in stated.notes


def test_splits_choose_episodes(tmp_path: Path):
    folder = dataset(tmp_path / "d", "v3.0", three())
    logs, _ = read(lerobot, folder, filter="test")
    assert [log.where for log in logs] == ["episode_index 2"]
    assert "filter: found val, expected one of" in refusal(
        lerobot, folder, filter="val"
    )


def test_pictures_are_refused_unless_left_out(tmp_path: Path):
    for kind in ("video", "image"):
        camera = {"observation.images.top": {"dtype": kind, "shape": [96, 96, 3]}}
        kept = {name: FEATURES[name] for name in three()[0]}
        folder = dataset(tmp_path / kind, "v3.0", three(), features=kept | camera)
        line = refusal(lerobot, folder)
        assert f"observation.images.top: found dtype {kind}, expected numbers" in line
        assert "obs_keys=observation.state,observation.environment_state" in line
        keys = ("observation.state",)
        logs, stated = read(lerobot, folder, obs_keys=keys)
        assert tuple(logs[0].observations) == keys
        assert any("observation.images.top" in note for note in stated.notes)


@pytest.mark.parametrize(
    ("info", "line"),
    [
        ({"codebase_version": "v1.6"}, "codebase_version: found 'v1.6', expected one"),
        (
            {"storage_format": "lance"},
            "storage_format: found 'lance', expected parquet",
        ),
        ({"fps": 0}, "fps: found 0, expected a number from 0.001"),
        ({"fps": True}, "fps: found True"),
        ({"fps": 20}, "episode_index 0, frame 1, timestamp: found 0.1, expected 0.05"),
        ({"total_episodes": 4}, "total_episodes: found 3 in data/, expected 4"),
        ({"total_frames": 99}, "total_frames: found 18 in data/, expected 99"),
        ({"features": []}, "features: found [], expected a mapping"),
        ({"features": {"action": {}}}, "expected observation.state or the like"),
    ],
)
def test_info_that_cannot_be(tmp_path: Path, info: dict[str, Any], line: str):
    assert line in refusal(lerobot, dataset(tmp_path / "d", "v3.0", three(), **info))


@pytest.mark.parametrize(
    ("column", "at", "value", "line"),
    [
        ("frame_index", 2, 3, "episode_index 0, frame 2, frame_index: found 3"),
        ("frame_index", 2, 1, "episode_index 0, frame 2, frame_index: found 1"),
        ("timestamp", 1, 0.15, "episode_index 0, frame 1, timestamp: found 0.15"),
        ("timestamp", 1, np.nan, "episode_index 0, frame 1, timestamp: found nan"),
    ],
)
def test_frames_that_are_missing_or_late(
    tmp_path: Path, column: str, at: int, value: float, line: str
):
    values = three()
    values[0][column][at] = value
    assert line in refusal(lerobot, dataset(tmp_path / "d", "v3.0", values))


def test_files_that_are_missing_or_lie_elsewhere(tmp_path: Path):
    folder = dataset(tmp_path / "d", "v2.0", three())
    second = folder / "data/chunk-000/episode_000001.parquet"
    elsewhere = second.rename(tmp_path / "elsewhere.parquet")
    assert "total_episodes: found 2" in refusal(lerobot, folder)
    second.symlink_to(elsewhere)
    assert "file: found a link to elsewhere" in refusal(lerobot, folder)
    second.unlink()
    store(second, {k: v for k, v in three()[1].items() if k != "action"})
    assert "columns: found" in refusal(lerobot, folder)


def test_damaged_folders_are_read_or_refused(tmp_path: Path):
    rng = np.random.default_rng(0)
    folder = dataset(tmp_path / "d", "v3.0", three())
    for path in (folder / "meta/info.json", folder / "data/chunk-000/file-000.parquet"):
        content = path.read_bytes()
        for _ in range(60):
            at = int(rng.integers(len(content)))
            path.write_bytes(content[:at])
            read_or_refused(lerobot, folder)
            path.write_bytes(content[:at] + rng.bytes(3) + content[at + 3 :])
            read_or_refused(lerobot, folder)
        path.write_bytes(content)


def test_what_lerobot_itself_wrote():
    """Two episodes by LeRobotDataset.add_frame and save_episode of lerobot 0.4.4.

    Frame t of episode e: state [e, t], action [t / 8, -t / 8], reward t.
    """
    (first, second), stated = read(lerobot, Path(__file__).parent / "lerobot_dataset")
    assert first.observations["observation.state"].tolist() == [
        [0, t] for t in range(4)
    ]
    assert second.actions.tolist() == [[0, 0], [1 / 8, -1 / 8]]
    assert second.rewards is not None
    assert second.rewards.tolist() == [0, 1]
    assert [first.terminated, second.terminated] == [False, True]
    assert (stated.step_seconds, stated.notes) == (0.1, [])
