"""Episodes in HDF5: what Minari reads of them is what its own writer's would be."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest
from minari.data_collector.episode_buffer import EpisodeBuffer

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.episodes import Episode
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, ID, episode, hopper, three  # noqa: F401

MORE = {"cell": 3, "objective": 0.5, "operator": "iso_line", "measures": np.ones(2)}


def varied() -> list[Episode]:
    """Episodes that differ in all that may differ."""
    first, second, third = three()
    return [
        dataclasses.replace(first, metadata=MORE, source="pölicy"),
        dataclasses.replace(second, infos={}, seed=-1),
        dataclasses.replace(
            third,
            rewards=third.rewards.astype(np.float32),
            observations=third.observations.astype(np.float32),
            actions=np.asfortranarray(third.actions),
            terminations=third.terminations.astype(np.uint8),
            infos={"empty": np.zeros((2, 0)), "bits": np.ones((2, 3), bool)},
        ),
    ]


def buffers(episodes: Sequence[Episode], first: int = 0) -> list[EpisodeBuffer]:
    return [
        EpisodeBuffer(
            id=number,
            seed=e.seed if e.seed >= 0 else None,
            observations=e.observations,
            actions=e.actions,
            rewards=e.rewards.astype(np.float64),
            terminations=e.terminations.astype(bool),
            truncations=e.truncations.astype(bool),
            infos=dict(e.infos) or None,
        )
        for number, e in enumerate(episodes, first)
    ]


def assert_alike(ours: Any, theirs: Any) -> None:
    """Equal values of equal types, whatever they are nested in."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_alike(ours[key], theirs[key])
    elif isinstance(ours, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert ours.tobytes() == theirs.tobytes()
    else:
        assert ours == theirs


@pytest.mark.filterwarnings("ignore")
def test_minari_reads_what_its_own_writer_writes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    episodes = varied()
    write_dataset(tmp_path / "ours" / ID, ID, episodes, world, BLOCK)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "theirs"))
    theirs = minari.create_dataset_from_buffers(
        ID,
        buffer=buffers(episodes),
        env=world.env_spec(),
        observation_space=world.observation_space,
        action_space=world.action_space,
        data_format="hdf5",
        jpeg_encoding=False,
    ).storage
    theirs.update_episode_metadata(
        [{**e.metadata, "source": e.source} for e in episodes]
    )
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "ours"))
    ours = minari.load_dataset(ID).storage
    for read in ("get_episodes", "get_episode_metadata"):
        pairs = zip(*(getattr(s, read)(range(3)) for s in (ours, theirs)), strict=True)
        for our, their in pairs:
            assert_alike(our, their)
    for key in ("total_episodes", "total_steps", "data_format", "env_spec"):
        assert ours.metadata[key] == theirs.metadata[key]
    size = (tmp_path / "ours" / ID / "data/main_data.hdf5").stat().st_size
    assert ours.metadata["dataset_size"] == round(size / 1e6, 1)
    assert size < theirs.data_path.joinpath("main_data.hdf5").stat().st_size


def test_minari_may_add_episodes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset(ID)
    dataset.update_dataset_from_buffer(buffers([episode(7)], 3))
    again = minari.load_dataset(ID)
    assert again.total_episodes == 4
    assert np.array_equal(again[3].observations, episode(7).observations)
