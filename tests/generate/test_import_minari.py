"""Minari's files, written by Minari itself in each of its storages."""

import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces import Box, Discrete

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.readers import minari as reader
from tests.generate.imports import brought_from

STORAGES = ["hdf5", "arrow", "parquet"]
PLAIN = Box(-9, 9, (3,))
IMAGE = Box(0, 255, (32, 40, 3), np.uint8)


def buffer(steps: int = 4, number: int = 0, **changes: Any) -> Any:
    from minari.data_collector import EpisodeBuffer

    draw = np.random.default_rng(number)
    ends = np.arange(steps) == steps - 1
    fields = {
        "id": number,
        "seed": 10 + number,
        "observations": draw.normal(size=(steps + 1, 3)).astype(np.float32),
        "actions": draw.uniform(-1, 1, (steps, 2)).astype(np.float32),
        "rewards": draw.normal(size=steps),
        "terminations": ends & (number % 2 == 0),
        "truncations": ends & (number % 2 == 1),
    }
    return EpisodeBuffer(**fields | changes)


def stored(
    root: Path,
    storage: str,
    *buffers: Any,
    name: str = "ns/thing/expert-v7",
    observed: Any = PLAIN,
    acted: Any = None,
    jpeg: bool = False,
) -> Path:
    """A dataset in Minari's store; its folder."""
    import minari

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("MINARI_DATASETS_PATH", str(root.resolve()))
        minari.create_dataset_from_buffers(
            name,
            buffer=list(buffers),
            env="Pendulum-v1",
            observation_space=observed,
            action_space=acted or Box(-1, 1, (2,)),
            data_format=storage,
            jpeg_encoding=jpeg,
        )
    return root / name


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("inner", ["", "data"])
def test_every_storage_is_read_value_by_value(tmp_path: Path, storage: str, inner: str):
    buffers = [buffer(number=n, steps=3 + n) for n in range(3)]
    folder = stored(tmp_path, storage, *buffers) / inner
    assert reader.recognises(folder)
    logs, brought = brought_from(folder)
    assert (logs.format, logs.env_id) == ("minari", "Pendulum-v1")
    for episode, given in zip(brought.episodes, buffers, strict=True):
        for name in ("observations", "actions", "rewards", "terminations"):
            assert np.array_equal(getattr(episode, name), getattr(given, name))
        assert episode.seed == given.seed
    assert brought.action_space == Box(-1, 1, (2,))
    assert brought.notes == []


def test_the_hdf5_alone_is_read_without_spaces(tmp_path: Path):
    file = stored(tmp_path, "hdf5", buffer()) / "data/main_data.hdf5"
    _, brought = brought_from(file)
    assert len(brought.episodes[0]) == 4
    assert "no bounds stated" in brought.notes[0]


@pytest.mark.parametrize("storage", STORAGES)
def test_nested_observations_are_flattened_and_text_is_left_out(
    tmp_path: Path, storage: str
):
    observed = spaces.Dict(
        {
            "goal": Box(-1, 1, (2,)),
            "arm": spaces.Tuple((Box(-9, 9, (1,)), Discrete(3))),
            "mission": spaces.Text(9),
        }
    )
    observations = {
        "goal": np.linspace(-1, 1, 10, dtype=np.float32).reshape(5, 2),
        "arm": (np.arange(5, dtype=np.float32)[:, None], np.array([0, 1, 2, 1, 0])),
        "mission": ["go"] * 5,
    }
    folder = stored(
        tmp_path, storage, buffer(observations=observations), observed=observed
    )
    _, brought = brought_from(folder)
    rows = brought.episodes[0].observations
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert rows[:, 1:4].argmax(1).tolist() == [0, 1, 2, 1, 0]
    assert np.array_equal(rows[:, 4:], observations["goal"])
    assert "observations: mission, text, left out" in brought.notes
    assert brought.observation_space.high.tolist() == [9, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("storage", STORAGES)
def test_jpeg_is_read_with_a_warning(tmp_path: Path, storage: str):
    shade = np.linspace(0, 255, 5).astype(np.uint8)
    images = np.broadcast_to(shade[:, None, None, None], (5, *IMAGE.shape)).copy()
    given = buffer(observations=images)
    lossy = stored(tmp_path, storage, given, observed=IMAGE, jpeg=True)
    _, brought = brought_from(lossy)
    assert brought.episodes[0].observations.shape == (5, 32 * 40 * 3)
    rows = brought.episodes[0].observations.reshape(images.shape)
    assert np.abs(rows - images.astype(np.float32)).max() <= 2
    assert "images were stored as JPEG, which is lossy" in brought.notes
    raw = stored(tmp_path, storage, given, observed=IMAGE, name="raw/raw-v0")
    _, brought = brought_from(raw)
    assert np.array_equal(
        brought.episodes[0].observations.reshape(5, 32, 40, 3), images
    )
    assert not any("JPEG" in text for text in brought.notes)


def test_a_missing_key_of_old_datasets_means_jpeg(tmp_path: Path):
    images = np.zeros((5, *IMAGE.shape), np.uint8)
    folder = stored(
        tmp_path, "hdf5", buffer(observations=images), observed=IMAGE, jpeg=True
    )
    path = folder / "data/metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["jpeg_encoding"]
    path.write_text(json.dumps(metadata))
    assert "images were stored as JPEG" in str(brought_from(folder)[1].notes)


def test_a_picture_larger_than_its_space_is_refused(tmp_path: Path):
    images = np.zeros((5, *IMAGE.shape), np.uint8)
    given = buffer(observations=images)
    folder = stored(tmp_path, "hdf5", given, observed=IMAGE, jpeg=True)
    path = folder / "data/metadata.json"
    metadata = json.loads(path.read_text())
    small = json.loads(metadata["observation_space"])
    half = np.zeros((32, 32, 3), int)
    small |= {
        "shape": [32, 32, 3],
        "low": half.tolist(),
        "high": (half + 255).tolist(),
    }
    metadata["observation_space"] = json.dumps(small)
    path.write_text(json.dumps(metadata))
    with pytest.raises(RefusedError, match=r"observations, row 0: found 32 x 40 pix"):
        brought_from(folder)


@pytest.mark.parametrize("storage", STORAGES)
def test_observations_without_the_last_one_lose_no_step_unseen(
    tmp_path: Path, storage: str
):
    """Minari's own reader of arrow files would cut a real step off."""
    rows, ends = np.zeros((4, 3), np.float32), np.arange(4) == 3
    short = buffer(observations=rows, terminations=~ends & ends, truncations=ends)
    folder = stored(tmp_path, storage, short)
    _, brought = brought_from(folder)
    assert len(brought.episodes[0]) == 3
    assert "the last one left out" in brought.notes[0]
    _, kept = brought_from(folder, final_obs="repeat")
    assert np.array_equal(kept.episodes[0].rewards, short.rewards)


@pytest.mark.parametrize("storage", ["arrow", "parquet"])
def test_infos_that_minari_cannot_read_back_do_not_matter(tmp_path: Path, storage: str):
    infos = {"speed": np.arange(5.0), "deep": {"x": np.zeros((5, 2))}}
    folder = stored(tmp_path, storage, buffer(infos=infos))
    assert brought_from(folder)[1].episodes[0].infos == {}


def test_both_and_neither_flag_and_one_too_early(tmp_path: Path):
    ends = np.arange(4) == 3
    both = stored(tmp_path, "hdf5", buffer(truncations=ends), name="a-v0")
    assert brought_from(both)[1].episodes[0].terminations[-1]
    none = np.zeros(4, bool)
    neither = stored(tmp_path, "hdf5", buffer(terminations=none), name="b-v0")
    with pytest.raises(RefusedError, match=r"episode_0, terminated/truncated: .*end="):
        brought_from(neither)
    early = stored(
        tmp_path, "hdf5", buffer(terminations=np.arange(4) >= 1), name="c-v0"
    )
    with pytest.raises(RefusedError, match="episode_0, step 1, terminations"):
        brought_from(early)


def test_nothing_that_minari_lets_pass_is_believed(tmp_path: Path):
    wide = buffer(actions=np.zeros((4, 5), np.float32))
    with pytest.raises(RefusedError, match="actions: found 5 a step, expected 2"):
        brought_from(stored(tmp_path, "hdf5", wide, name="wide-v0"))
    bad = np.full(4, np.nan)
    with pytest.raises(RefusedError, match="episode_0, step 0, rewards: found nan"):
        brought_from(stored(tmp_path, "hdf5", buffer(rewards=bad), name="nan-v0"))


def test_an_environment_is_never_made(tmp_path: Path):
    """Without spaces in its metadata Minari's loader would make what it names."""
    folder = stored(tmp_path, "hdf5", buffer())
    path = folder / "data/metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["observation_space"], metadata["action_space"]
    metadata["env_spec"] = json.dumps({"id": "evil:Mine-v0", "entry_point": "evil:x"})
    path.write_text(json.dumps(metadata))
    logs, brought = brought_from(folder)
    assert logs.env_id == "evil:Mine-v0"
    assert len(brought.episodes) == 1


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"data_format": "lance"}, "data_format: found lance"),
        ({"total_episodes": 9}, "found 1 episodes, expected 9"),
        ({"observation_space": '{"type": "Graph"}'}, "observation_space: found"),
        ({"action_space": "{"}, "action_space: found"),
        ({"minari_version": "9.9"}, None),
    ],
)
def test_damaged_metadata(tmp_path: Path, changes: dict[str, Any], match: str | None):
    folder = stored(tmp_path, "hdf5", buffer())
    path = folder / "data/metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    if match is None:
        assert len(brought_from(folder)[1].episodes) == 1
        return
    with pytest.raises(RefusedError, match=match):
        brought_from(folder)


def test_a_damaged_file_or_a_link_is_refused(tmp_path: Path):
    folder = stored(tmp_path, "hdf5", buffer())
    file = folder / "data/main_data.hdf5"
    with h5py.File(file, "a") as opened:
        del opened["episode_0/rewards"]
        opened["episode_0/rewards"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(RefusedError, match="episode_0/rewards: found a link"):
        brought_from(folder)
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(RefusedError):
        brought_from(folder)
    arrow = stored(tmp_path, "arrow", buffer(), name="arrow-v0")
    part = next((arrow / "data/0").glob("part-0.*"))
    part.write_bytes(part.read_bytes()[:200])
    with pytest.raises(RefusedError, match="an episode in arrow"):
        brought_from(arrow)
