"""Datasets in other formats, imported again: the same values, but for what is said."""

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from gymnasium.spaces import Box

from tasks.artifacts.dataset import load_episodes, write_dataset
from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.generate.engine.exporting.__main__ import WRITERS, exported
from tasks.generate.engine.exporting.whole import Whole
from tasks.generate.engine.importing.options import understood
from tasks.generate.imported.reading import read
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, three
from tests.artifacts.test_discrete_dataset import write as write_discrete
from tests.house import ROOT
from tests.worlds.harness import load

FORMATS = sorted(WRITERS)


@pytest.fixture(name="world")
def hopper() -> World:
    return load("hopper", ref_min=0.0, ref_max=10.0)


def stored(folder: Path, world: World, episodes: list[Episode]) -> Path:
    """Made-up episodes of the hopper as a dataset."""
    target = folder / "some-v0"
    write_dataset(target, target.name, episodes, world, BLOCK)
    return target


def back(lines: str) -> list[Episode]:
    """A dataset imported as the last line of an export says."""
    line = lines.splitlines()[-1].removeprefix("back: make import ")
    said = dict(word.split("=", 1) for word in shlex.split(line))
    asked = understood(said["OPTIONS"], said.get("MAP", ""), "back")
    assert list(asked.world) == ["step_seconds"]
    return read(Path(said["SRC"]), asked.options)[1].episodes


def same(
    brought: list[Episode], held: list[Episode], repeated: bool, infos: tuple[str, ...]
) -> None:
    """Whether all numbers are equal, types of observations and actions included."""
    assert len(brought) == len(held)
    for new, old in zip(brought, held, strict=True):
        expected = old.observations
        if repeated and old.terminations[-1]:
            expected = np.concatenate([expected[:-1], expected[-2:-1]])
        assert np.array_equal(new.observations, expected)
        assert new.observations.dtype == old.observations.dtype
        assert np.array_equal(new.actions, old.actions)
        assert new.actions.dtype == old.actions.dtype
        for name in ("rewards", "terminations", "truncations"):
            assert np.array_equal(getattr(new, name), getattr(old, name)), name
        assert set(new.infos) == set(infos)
        for name in infos:
            rows = slice(None) if name == "legal" else slice(-1)
            assert np.array_equal(new.infos[name][rows], old.infos[name][rows])


def logged() -> list[Episode]:
    """Three episodes with log densities of their actions."""
    return [
        dataclasses.replace(
            episode, infos=episode.infos | {"log_prob": np.arange(len(episode) + 1.0)}
        )
        for episode in three()
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("to", FORMATS)
def test_numbers_come_back(tmp_path: Path, world: World, to: str, dtype: Any):
    world.observation_space = Box(-np.inf, np.inf, (11,), dtype)
    episodes = [
        dataclasses.replace(e, observations=e.observations.astype(dtype))
        for e in logged()
    ]
    folder = stored(tmp_path, world, episodes)
    lines = exported(folder, to, tmp_path / "out of it")
    kept = () if to == "d3rlpy" else ("log_prob",)
    held, _ = load_episodes(folder)
    same(back(lines), held, to == "d3rlpy", kept)
    assert f"3 episodes, 9 steps, as {to}" in lines
    assert "start seeds" in lines
    assert ("the last observation of 2 terminated episodes" in lines) == (
        to == "d3rlpy"
    )


@pytest.mark.filterwarnings("ignore:.*rewards. all equal")
@pytest.mark.parametrize("name", ["taxi", "cartpole"])
@pytest.mark.parametrize("to", FORMATS)
def test_choices_and_masks_come_back(tmp_path: Path, to: str, name: str):
    folder, _, _ = write_discrete(tmp_path, name)
    lines = exported(folder, to, tmp_path / "out")
    held, _ = load_episodes(folder)
    kept = ("legal",) if name == "taxi" and to in ("csv", "lerobot") else ()
    same(back(lines), held, to == "d3rlpy", kept)
    if to == "d4rl" and name == "taxi":
        with h5py.File(tmp_path / "out/taxi_some.hdf5") as file:
            rows = np.concatenate([e.infos["legal"][:-1] for e in held])
            assert np.array_equal(file["infos/legal"], rows)
    else:
        assert ("legal" in lines) == (name == "taxi" and not kept)


@pytest.mark.parametrize("to", FORMATS)
def test_observations_of_several_axes(tmp_path: Path, world: World, to: str):
    episodes = [
        dataclasses.replace(e, observations=e.observations[:, :, None]) for e in three()
    ]
    data = Whole("some", episodes, world.action_space, 0.008)
    lost, infos = WRITERS[to](tmp_path, data)
    flattened = to in ("csv", "lerobot")
    assert ("the shape (11, 1) of observations" in lost) == flattened
    said = f"MAP={tmp_path / 'map.yaml'} " if to == "csv" else ""
    source = tmp_path / "some.csv" if to == "csv" else tmp_path
    options = data.options(*infos)
    same(back(f'SRC={source} {said}OPTIONS="{options}"'), three(), to == "d3rlpy", ())


@pytest.mark.parametrize("to", FORMATS)
def test_the_same_dataset_gives_the_same_bytes(tmp_path: Path, world: World, to: str):
    folder = stored(tmp_path, world, logged())
    for name in ("a", "b"):
        exported(folder, to, tmp_path / name)
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")


def test_what_lerobot_looks_for_is_there(tmp_path: Path, world: World):
    exported(stored(tmp_path, world, three()), "lerobot", tmp_path / "out")
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    assert info["fps"] == 125  # the hopper's step is 0.008 s
    assert (info["total_episodes"], info["total_frames"]) == (3, 12)
    tasks = pd.read_parquet(tmp_path / "out/meta/tasks.parquet")
    assert tasks["task_index"].to_dict() == {"some": 0}
    rows = pd.read_parquet(tmp_path / "out/meta/episodes/chunk-000/file-000.parquet")
    assert rows["length"].tolist() == [6, 4, 2]
    assert rows["dataset_from_index"].tolist() == [0, 6, 10]
    frames = pd.read_parquet(tmp_path / "out/data/chunk-000/file-000.parquet")
    assert set(frames) == set(info["features"])
    assert set(json.loads((tmp_path / "out/meta/stats.json").read_text())) == set(
        frames
    )


def test_what_d3rlpy_looks_for_is_there(tmp_path: Path, world: World):
    exported(stored(tmp_path, world, three()), "d3rlpy", tmp_path / "out")
    with h5py.File(tmp_path / "out/some.h5") as file:
        assert file["version"][()] == b"2.1"
        assert file["num_episodes"][()] == 3
        assert len(file["columns"][()]) == 4
        # what ended has a row a step, what was cut off one more to bootstrap from
        assert [file[f"rewards_{n}"].shape for n in range(3)] == [
            (5, 1),
            (4, 1),
            (1, 1),
        ]


def test_nothing_is_overwritten(tmp_path: Path, world: World):
    folder = stored(tmp_path, world, three())
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("out", "link"):
        with pytest.raises(RefusedError, match="found something there, expected"):
            exported(folder, "csv", tmp_path / name)
    with pytest.raises(RefusedError, match="TO: found 'hdf5', expected one of"):
        exported(folder, "hdf5", tmp_path / "new")
    with pytest.raises(RefusedError, match="dataset: found nothing"):
        exported(tmp_path / "none-v0", "csv", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_corrupted_dataset_is_refused(tmp_path: Path, world: World):
    episodes = [
        dataclasses.replace(e, infos=e.infos | {"read_reward": np.zeros(len(e) + 1)})
        for e in three()
    ]
    folder = stored(tmp_path, world, episodes)
    with pytest.raises(RefusedError, match="a corrupted one, with read_reward"):
        exported(folder, "csv", tmp_path / "out")


def test_the_command(tmp_path: Path, world: World):
    (tmp_path / "data/datasets").mkdir(parents=True)
    stored(tmp_path / "data/datasets", world, three())
    module = "tasks.generate.engine.exporting"
    line = [sys.executable, "-m", module, "--dataset", "some", "--to", "csv", "--out"]
    for out, code in (("out", 0), ("out", 1)):
        run = subprocess.run(
            [*line, out],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == code, run.stderr
    assert "out: OUT: found something there" in run.stderr
    assert (tmp_path / "out/map.yaml").is_file()
