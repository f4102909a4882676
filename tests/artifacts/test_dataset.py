"""Datasets: refused before anything is written, written byte-stable, read back."""

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tasks.artifacts.card import coverage
from tasks.artifacts.dataset import load_episodes, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.opening import open_dataset
from tasks.artifacts.rows import load_observations, load_transitions
from tasks.artifacts.sealed import write_sealed
from tasks.worlds import World
from tests.artifacts.made_up import BLOCK, ID, episode, hopper, three  # noqa: F401
from tests.worlds.harness import load


@pytest.mark.parametrize("name", ["hopper", "hopper-v", "a/b-v0", "hop per-v0", "é-v0"])
def test_wrong_id_is_refused_before_anything_is_created(
    name: str, world: World, tmp_path: Path
):
    with pytest.raises(RefusedError, match="dataset_id"):
        write_dataset(tmp_path / "new" / name, name, three(), world, BLOCK)
    assert list(tmp_path.iterdir()) == []


def test_id_must_be_the_folders_name(world: World, tmp_path: Path):
    with pytest.raises(RefusedError, match="found made-up-v0, expected other-v0"):
        write_dataset(tmp_path / "other-v0", ID, three(), world, BLOCK)


def test_same_episodes_same_bytes(world: World, tmp_path: Path):
    for place in ("one", "two"):
        write_dataset(tmp_path / place / ID, ID, three(), world, BLOCK)
    files = sorted(
        p.relative_to(tmp_path / "one")
        for p in (tmp_path / "one").rglob("*")
        if p.is_file()
    )
    assert [p.name for p in files] == [
        "README.md",
        "card.json",
        "main_data.hdf5",
        "metadata.json",
        "rows.bin",
        "rows.json",
        "world.json",
    ]
    for file in files:
        assert sha256(tmp_path / "one" / file) == sha256(tmp_path / "two" / file)
    assert [p.name for p in (tmp_path / "one").iterdir()] == [ID]


def test_minari_reads_it(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import minari

    episodes = three()
    write_dataset(tmp_path / ID, ID, episodes, world, BLOCK)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    assert list(minari.list_local_datasets()) == [ID]
    dataset = minari.load_dataset(ID)
    assert dataset.spec.total_steps == 9
    assert dataset.storage.metadata["ref_max_score"] == 10.0
    assert dataset.storage.metadata["jpeg_encoding"] is False
    for ours, theirs in zip(episodes, dataset.iterate_episodes(), strict=True):
        assert np.array_equal(ours.observations, theirs.observations)
        assert np.array_equal(ours.actions, theirs.actions)
        assert np.array_equal(ours.rewards, theirs.rewards)
        assert np.array_equal(ours.truncations, theirs.truncations)
        assert np.array_equal(ours.infos["qpos"], theirs.infos["qpos"])
    metadata = list(dataset.storage.get_episode_metadata(range(3)))
    assert [t["source"] for t in metadata] == ["a", "a", "b"]
    assert [t["seed"] for t in metadata] == [0, 1, 2]
    env = dataset.recover_environment()
    assert env.spec.id == "Hopper-v5"
    assert env.observation_space == world.observation_space


def test_probabilities_are_read_back_and_minari_reads_them(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import minari

    logs = [np.append(np.linspace(-2, 3, len(e)), 0.0) for e in three()]
    known = [
        dataclasses.replace(e, infos={**e.infos, "log_prob": log})
        for e, log in zip(three(), logs, strict=True)
    ]
    write_dataset(tmp_path / ID, ID, known, world, BLOCK)
    log_prob = load_transitions(tmp_path / ID).log_prob
    assert log_prob is not None
    assert np.array_equal(log_prob, np.concatenate([log[:-1] for log in logs]))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    episodes = minari.load_dataset(ID).iterate_episodes()
    assert np.array_equal(next(iter(episodes)).infos["log_prob"], logs[0])
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    assert load_transitions(tmp_path / ID).log_prob is None


def test_minari_recovers_the_flattened_maze(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import minari

    maze = load("pointmaze_umaze")
    one = episode(0)
    one = dataclasses.replace(
        one, observations=one.observations[:, :6], actions=one.actions[:, :2]
    )
    write_dataset(tmp_path / ID, ID, [one], maze, BLOCK)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.load_dataset(ID).recover_environment()
    batch = maze.make(1)
    assert np.array_equal(env.reset(seed=4)[0], batch.reset(seed=[4])[0][0])


def test_card_and_world(world: World, tmp_path: Path):
    episodes = three()
    made_by = [{"method": "worlds.hopper", "code_sha256": "ab"}]
    card = write_dataset(tmp_path / ID, ID, episodes, world, BLOCK, made_by=made_by)
    assert card == json.loads((tmp_path / ID / "card.json").read_text())
    returns = [e.ret for e in episodes]
    assert card["episodes"] == 3
    assert card["steps"] == 9
    assert card["return"]["mean"] == pytest.approx(np.mean(returns))
    assert sum(card["return"]["histogram"]["counts"]) == 3
    assert card["score_mean"] == pytest.approx(10 * np.mean(returns))
    assert card["length"] == {"min": 1, "mean": 3.0, "max": 5}
    assert card["terminated"] == pytest.approx(2 / 3)
    assert card["truncated"] == pytest.approx(1 / 3)
    assert [(s["name"], s["episodes"], s["steps"]) for s in card["sources"]] == [
        ("a", 2, 8),
        ("b", 1, 1),
    ]
    assert len(card["action"]["std"]) == 3
    assert card["sha256"] == sha256(tmp_path / ID / "data/main_data.hdf5")
    world_json = json.loads((tmp_path / ID / "world.json").read_text())
    assert world_json["step_seconds"] == 0.008
    assert world_json["world"] == BLOCK
    assert world_json["made_by"] == made_by


def test_coverage_grows_with_variety():
    draw = np.random.default_rng(0)
    varied = draw.normal(size=(4000, 5))
    repeated = np.tile(varied[:40], (100, 1))
    assert coverage(repeated)["occupied"] <= 40
    assert coverage(varied)["share"] > 5 * coverage(repeated)["share"]
    assert coverage(np.ones((7, 3)))["occupied"] == 1
    assert coverage(varied[:, :1])["cells"] == 32


def test_transitions(world: World, tmp_path: Path):
    episodes = three()
    card = write_dataset(tmp_path / ID, ID, episodes, world, BLOCK)
    data = load_transitions(tmp_path / ID)
    assert data.observation.shape == data.next_observation.shape == (9, 11)
    assert data.observation.dtype == data.action.dtype == np.float32
    assert data.reward.dtype == data.terminated.dtype == np.float32
    assert data.episode.tolist() == [0] * 5 + [1] * 3 + [2]
    assert data.terminated.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 1]
    truncated = episodes[1].observations[-1].astype(np.float32)
    assert np.array_equal(data.next_observation[7], truncated)
    assert np.array_equal(data.next_observation[0], data.observation[1])
    flat = np.concatenate([e.observations[:-1] for e in episodes])
    np.testing.assert_allclose(data.observation_mean, flat.mean(0), rtol=1e-6)
    np.testing.assert_allclose(data.observation_std, flat.std(0), rtol=1e-6)
    assert data.action_low.tolist() == [-1, -1, -1]
    assert data.action_high.tolist() == [1, 1, 1]
    np.testing.assert_allclose(data.returns, [e.ret for e in episodes])
    assert (data.dataset_id, data.sha256) == (ID, card["sha256"])


def test_observations_for_calibration(world: World, tmp_path: Path):
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    every = load_transitions(tmp_path / ID).observation
    rows = load_observations(tmp_path / ID, 9, np.random.default_rng(1))
    again = load_observations(tmp_path / ID, 9, np.random.default_rng(1))
    assert rows.tobytes() == again.tobytes()
    assert {r.tobytes() for r in rows} == {r.tobytes() for r in every}
    assert load_observations(tmp_path / ID, 50, np.random.default_rng(1)).shape == (
        50,
        11,
    )


@pytest.mark.parametrize("name", ["card.json", "data/metadata.json"])
def test_a_flipped_bit_beside_the_episodes_is_refused(
    world: World, tmp_path: Path, name: str
):
    write_dataset(folder := tmp_path / ID, ID, three(), world, BLOCK)
    path, before = folder / name, open_dataset(folder)
    original, refusals = path.read_bytes(), 0
    for at in range(0, len(original), 7):
        flipped = bytearray(original)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        try:
            assert open_dataset(folder) == before, "another value was believed"
        except RefusedError:
            refusals += 1
    assert refusals > 0.99 * len(original) / 7


def spoil_file(folder: Path, what: str) -> None:
    """Change a stored dataset behind its card's back, then mend the card's hash."""
    main = folder / "data/main_data.hdf5"
    with h5py.File(main, "a") as file:
        group = file["episode_1"]
        if what == "nan":
            group["observations"][2, 4] = np.nan
        elif what == "missing":
            del group["rewards"]
        else:
            old = group[what][()]
            del group[what]
            group[what] = old[:, :2] if what == "actions" else old[:-1]
    card = json.loads((folder / "card.json").read_text())
    write_sealed(folder / "card.json", card | {"sha256": sha256(main)})


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "main_data.hdf5: episode 1, step 2, observations: found nan"),
        ("actions", "main_data.hdf5: episode 1, step 0, actions: found shape"),
        ("observations", "main_data.hdf5: episode 1, .*final observation"),
        ("missing", "main_data.hdf5: episode_1/rewards: found nothing"),
    ],
)
def test_bad_dataset_is_refused_when_read(
    what: str, message: str, world: World, tmp_path: Path
):
    write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    spoil_file(tmp_path / ID, what)
    with pytest.raises(RefusedError, match=message):
        load_episodes(tmp_path / ID)


def test_hash_and_id_are_checked_first(world: World, tmp_path: Path):
    folder = tmp_path / ID
    with pytest.raises(RefusedError, match="--dataset made-up"):
        load_transitions(folder)
    write_dataset(folder, ID, three(), world, BLOCK)
    folder.rename(tmp_path / "other-v0")
    with pytest.raises(RefusedError, match="dataset_id: found made-up-v0"):
        load_transitions(tmp_path / "other-v0")
    main = tmp_path / "other-v0/data/main_data.hdf5"
    main.write_bytes(main.read_bytes()[:-1] + b"x")
    with pytest.raises(RefusedError, match="hdf5: sha256"):
        load_transitions(tmp_path / "other-v0")
    main.unlink()
    with pytest.raises(RefusedError, match="sha256: found nothing"):
        load_transitions(tmp_path / "other-v0")


def test_full_disk_leaves_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(RefusedError, match="free bytes: found 1000"):
        write_dataset(tmp_path / ID, ID, three(), world, BLOCK)
    assert list(tmp_path.iterdir()) == []
