"""Packed rows: the numbers of the HDF5 to the last bit, and nothing else is taken."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts import mapped
from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.artifacts.rows import load_rows, load_transitions
from tasks.generate.engine.recording import Plan, collect
from tasks.worlds import World
from tasks.worlds.engine.behaviors import Chooser
from tests.artifacts.made_up import BLOCK, ID, episode, hopper, three  # noqa: F401
from tests.artifacts.reading import assert_equal, read_transitions
from tests.worlds.harness import load

READERS: tuple[Callable[[Path], Any], ...] = (
    load_transitions,
    lambda folder: load_rows(folder, 5, np.random.default_rng(0)),
)


@pytest.fixture
def folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    return tmp_path / ID


def with_infos(make: Callable[[int], dict[str, Any]]) -> list[Episode]:
    """Many episodes of one to twenty steps, with more infos."""
    draw = np.random.default_rng(5)
    every = [episode(seed, int(draw.integers(1, 21))) for seed in range(60)]
    return [
        dataclasses.replace(e, infos={**e.infos, **make(len(e) + 1)}) for e in every
    ]


def corrupted(rows: int) -> dict[str, Any]:
    draw = np.random.default_rng(rows)
    return {
        "attacked": (draw.random(rows) < 0.3).astype(np.float32),
        "read_observation": draw.normal(size=(rows, 11)).astype(np.float32),
        "read_action": draw.normal(size=(rows, 3)).astype(np.float32) * 4,
        "read_reward": draw.normal(size=rows),
        "read_next_observation": draw.normal(size=(rows, 11)),
    }


def half_known(rows: int) -> dict[str, Any]:
    return {"log_prob": np.zeros(rows)} if rows % 2 else {}


@pytest.mark.parametrize(
    "make",
    [
        lambda _: {},
        lambda rows: {"log_prob": np.random.default_rng(rows).normal(size=rows)},
        half_known,
        corrupted,
    ],
)
def test_the_same_bits_as_the_hdf5(
    make: Any, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tasks.artifacts.packed.CHUNK", 2000)  # several parts
    write_dataset(tmp_path / ID, ID, with_infos(make), world, BLOCK)
    assert_equal(load_transitions(tmp_path / ID), read_transitions(tmp_path / ID))


@pytest.mark.filterwarnings("ignore:.*rewards. all equal")
@pytest.mark.parametrize("name", ["taxi", "cartpole"])
def test_the_same_bits_of_discrete_actions_and_masks(name: str, tmp_path: Path):
    world = load(name, max_steps=12)
    behavior = Chooser("random", world.action_width, 1.0)
    episodes = collect(world, [(behavior, Plan(3, 0, 9, None, 2))], lambda *_: None)
    write_dataset(tmp_path / ID, ID, episodes, world, {})
    assert_equal(load_transitions(tmp_path / ID), read_transitions(tmp_path / ID))


def test_the_drawn_rows_are_those_of_the_whole(folder: Path):
    every = load_transitions(folder).observation
    for rows in (4, 9, 40):
        draw = np.random.default_rng(2)
        picked = draw.choice(9, rows, replace=rows > 9)
        drawn = load_rows(folder, rows, np.random.default_rng(2))[0]
        assert drawn.tobytes() == every[picked].tobytes()


def test_large_arrays_are_mapped_and_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    small = load_transitions(folder)
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 1)
    large = load_transitions(folder)
    assert_equal(large, small)
    assert not large.observation.flags.writeable
    assert small.observation.flags.writeable
    assert large.reward.flags.writeable  # torch warns of arrays that are not


def test_readers_of_rows_load_neither_hdf5_nor_spaces():
    code = """
import sys
from tasks.artifacts.rows import load_transitions
print([n for n in ("h5py", "gymnasium", "torch", "minari") if n in sys.modules])
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
