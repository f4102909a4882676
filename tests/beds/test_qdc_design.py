"""The nine datasets: who is in them, who is not; goals, and how they are played for."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from tasks.artifacts.dataset import load_episodes
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.seeding import seed_of
from tasks.beds.qdc_metrics.datasets import goals_of, ranked, rows_of, write_datasets
from tasks.beds.qdc_metrics.goals import Cloned, cloned, hindsight, played
from tasks.beds.qdc_metrics.pool import Pool, pools, read_elites, sector_of
from tests.beds.archive_files import STEPS, design, write_archive
from tests.worlds.harness import load

WORLD = load("swimmer_omni", max_steps=STEPS)
ENDS = np.array([[1.0, 0.1], [0.1, 1], [-1, 0.1], [-1, -0.1], [0.1, -1], [1, -1e-9]])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def pooled(archive: Path) -> dict[str, Pool]:
    return pools(*read_elites(archive), WORLD, design())


@pytest.fixture(scope="module")
def made(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    block = read_json(archive / "world.json", "")["world"]
    folder = tmp_path_factory.mktemp("bed") / "made"
    write_datasets(folder, archive, WORLD, block, design())
    return folder


def ends_of(folder: Path) -> Any:
    return np.stack([WORLD.descriptor(e) for e in load_episodes(folder)[0]])  # type: ignore[attr-defined]


def test_sectors_go_round_from_the_x_axis():
    assert sector_of(ENDS, 8).tolist() == [0, 1, 3, 4, 6, 7]
    assert sector_of(ENDS, 4).tolist() == [0, 0, 1, 2, 3, 3]


def test_a_return_is_ranked_among_those_that_ended_nearest():
    end = np.array([[0.0, 0], [0, 1], [0, 2], [9, 9], [9, 8], [9, 7]])
    returns = np.array([1.0, 2, 3, 12, 11, 10])
    found = ranked(end, returns, 2)
    assert found.tolist() == [0, 0.5, 1, 1, 0.5, 0]


def test_no_dataset_ends_where_it_must_not(made: Path):
    told, goals = design(), read_json(made / "goals.json", "")
    every = np.concatenate([np.array(ends) for ends in goals.values()])
    for name in told.names:
        ends = ends_of(made / f"{name}-v0")
        assert len(ends) == told.episodes
        own = told.diversities[name.split("_")[1]]
        counts = np.bincount(sector_of(ends, told.sectors), minlength=told.sectors)
        assert counts.tolist() == [
            told.episodes // len(own) if k in own else 0 for k in range(told.sectors)
        ]
        apart = np.linalg.norm(ends[:, None] - every, axis=-1)
        assert apart.min() > 0  # no goal is the end of what is learned from


def test_goals_lie_where_the_test_says(made: Path):
    told, goals = design(), read_json(made / "goals.json", "")
    for name, own in {**told.diversities, "held_out": told.held_out}.items():
        assert len(goals[name]) == told.goals
        assert set(sector_of(np.array(goals[name]), told.sectors)) <= set(own)


def test_levels_of_quality_are_what_they_say(made: Path):
    def returns(quality: str) -> Any:
        episodes, _ = load_episodes(made / f"{quality}_all-v0")
        return np.median([episode.ret for episode in episodes])

    top, middle, noisy = map(returns, ("top", "middle", "noisy"))
    assert top > middle > noisy + 1


def test_the_same_design_is_the_same_data(made: Path, pooled: dict[str, Pool]):
    for name, rows in rows_of(pooled, design()).items():
        again = pooled["noisy" if name.startswith("noisy") else "clean"].episodes
        episodes, _ = load_episodes(made / f"{name}-v0")
        for episode, row in zip(episodes, rows, strict=True):
            assert np.array_equal(episode.actions, again[row].actions)
            assert episode.seed == again[row].seed


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"one": [8]}, "diversities.one"),
        ({"half": []}, "diversities.half"),
        ({"one": [1]}, "diversities.one"),
        ({"episodes": 13}, "episodes"),
        ({"held_out": []}, "held_out"),
        ({"goal_plays": 200}, "goal_plays"),
    ],
)
def test_a_design_that_is_none_is_refused(changed: dict[str, Any], field: str):
    with pytest.raises(RefusedError, match=field):
        design(**changed)


def test_too_few_episodes_or_goals_are_refused(pooled: dict[str, Pool]):
    with pytest.raises(RefusedError, match="episodes in sector 3"):
        rows_of(pooled, design(episodes=1200))
    with pytest.raises(RefusedError, match="goals of one"):
        goals_of(pooled["clean"], design(goals=900))


def test_a_dataset_without_its_archive_is_refused(archive: Path, tmp_path: Path):
    folder = Path(shutil.copytree(archive, tmp_path / "copy"))
    path = folder / "archive/archive.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(RefusedError, match="sha256"):
        read_elites(folder)
    path.unlink()
    with pytest.raises(RefusedError, match="archive"):
        read_elites(folder)


@pytest.mark.parametrize("value", [np.nan, None])
def test_an_archive_of_no_numbers_is_refused(
    archive: Path, tmp_path: Path, value: float | None
):
    folder = Path(shutil.copytree(archive, tmp_path / "copy"))
    path = folder / "archive/archive.safetensors"
    arrays, card = load_file(path), read_json(folder / "card.json", "")
    if value is None:
        del arrays["genome"]
    else:
        arrays["genome"][0, 0] = value
    save_file(arrays, path)
    card["archive"]["sha256"] = sha256(path)
    write_sealed(folder / "card.json", card)
    with pytest.raises(RefusedError, match="genome: found .*expected finite numbers"):
        read_elites(folder)


def test_spare_plays_are_in_no_dataset(pooled: dict[str, Pool]):
    told = design()
    spare = pooled["clean"].spare
    assert spare.mean() == pytest.approx(told.goal_plays / told.plays)
    for name, rows in rows_of(pooled, told).items():
        pool = pooled["noisy" if name.startswith("noisy") else "clean"]
        assert not pool.spare[rows].any()
        assert len(set(rows.tolist())) == told.episodes


def test_the_goal_is_where_the_episode_ended(made: Path):
    folder = made / "middle_half-v0"
    plain, told = load_transitions(folder), hindsight(folder, WORLD)
    ends = ends_of(folder)
    assert np.array_equal(told.observation[:, :10], plain.observation)
    assert told.observation[:, 10:] == pytest.approx(ends[plain.episode], abs=1e-6)
    assert told.observation_mean[10:] == pytest.approx(ends.mean(0), abs=1e-6)
    assert len(told.observation_std) == 12


def test_each_goal_is_played_for_from_its_own_start(made: Path):
    settings = Cloned((4, 7), 2, 16, (8,), 1e-3)
    policy = cloned(hindsight(made / "top_all-v0", WORLD), settings, lambda *_: None)
    goals = np.array([[1.0, 0.0], [0.0, -2.0], [0.5, 0.5]])
    found = played(policy, goals, WORLD, 3)
    batch = WORLD.make(1)
    for s in range(2):
        for g in range(3):
            seen, _ = batch.reset(seed=[seed_of(3, "test", g)])
            still, total = np.linalg.norm(seen[0, :2] - goals[g]), 0.0
            assert found["still"][s][g] == pytest.approx(still, abs=1e-6)
            for _ in range(STEPS):
                told = np.concatenate([seen, goals[g : g + 1]], 1).astype(np.float32)
                with torch.no_grad():
                    acted = policy(torch.from_numpy(told).expand(2, 1, -1))[s].numpy()
                seen, paid, *_ = batch.step(acted)
                total += float(paid[0])
            apart = np.linalg.norm(seen[0, :2] - goals[g])
            assert found["distance"][s][g] == pytest.approx(apart, abs=1e-4)
            assert found["return"][s][g] == pytest.approx(total, abs=1e-4)
