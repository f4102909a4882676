"""Datasets of discrete actions: written, read, loaded by Minari, refused."""

import dataclasses
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.dataset import load_episodes, write_dataset
from tasks.artifacts.episodes import Episode, check_episodes
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.rows import load_rows, load_transitions
from tasks.artifacts.sealed import write_sealed
from tasks.generate.engine.recording import Plan, collect
from tasks.worlds.engine.behaviors import Chooser
from tests.worlds.harness import load

pytestmark = pytest.mark.filterwarnings("ignore:.*rewards. all equal")


def episodes(name: str = "taxi", count: int = 4) -> tuple[Any, list[Episode]]:
    """Random legal ones."""
    world = load(name, max_steps=12)
    behavior = Chooser("random", world.action_width, 1.0)
    recorded = collect(world, [(behavior, Plan(3, 0, count, None, 2))], lambda *_: None)
    return world, recorded


def write(folder: Path, name: str) -> tuple[Path, list[Episode], dict[str, Any]]:
    world, recorded = episodes(name)
    target = folder / f"{name}_some-v0"
    card = write_dataset(target, target.name, recorded, world, {"name": name})
    return target, recorded, card


@pytest.mark.parametrize("name", ["taxi", "cartpole"])
def test_written_and_read_again(name: str, tmp_path: Path):
    folder, recorded, card = write(tmp_path, name)
    data = load_transitions(folder)
    width = {"taxi": 6, "cartpole": 2}[name]
    actions = np.concatenate([e.actions for e in recorded])
    assert actions.dtype == np.int64
    assert actions.ndim == 1
    assert data.discrete
    assert np.array_equal(data.action, np.eye(width)[actions])
    assert data.action_low.tolist() == [0] * width
    assert data.action_high.tolist() == [1] * width
    share = np.bincount(actions, minlength=width) / len(actions)
    np.testing.assert_allclose(card["action"]["mean"], share)
    if name == "cartpole":
        assert data.legal is None
        assert load_rows(folder, 5, np.random.default_rng(0))[1] is None
        return
    assert data.legal is not None
    assert data.next_legal is not None
    masks = [e.infos["legal"] for e in recorded]
    assert np.array_equal(data.legal, np.concatenate([m[:-1] for m in masks]))
    assert np.array_equal(data.next_legal, np.concatenate([m[1:] for m in masks]))
    assert ((data.legal * data.action).sum(1) == 1).all()
    world = load("taxi")
    seen, legal = load_rows(folder, 20, np.random.default_rng(0))
    for row, mask in zip(seen, legal, strict=True):  # of the same step
        place = int(np.flatnonzero((world.table == row).all(1))[0])
        assert np.array_equal(world.legal[place], mask)


def test_minari_loads_it_and_its_world(tmp_path: Path, monkeypatch: Any):
    import minari

    folder, recorded, _ = write(tmp_path, "taxi")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = minari.load_dataset(folder.name)
        env = stored.recover_environment()
    assert stored.action_space.n == 6
    for ours, theirs in zip(recorded, stored.iterate_episodes(), strict=True):
        assert np.array_equal(ours.actions, theirs.actions)
        assert np.array_equal(ours.observations, theirs.observations)
        assert np.array_equal(ours.infos["legal"], theirs.infos["legal"])
    seen, _ = env.reset(seed=recorded[0].seed)
    assert np.array_equal(seen, recorded[0].observations[0])
    for t, action in enumerate(recorded[0].actions):
        seen, reward, *_ = env.step(int(action))
        assert np.array_equal(seen, recorded[0].observations[t + 1])
        assert reward == recorded[0].rewards[t]


def changed(episode: Episode, **fields: Any) -> Episode:
    return dataclasses.replace(episode, **fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a, m: (np.where(np.arange(len(a)) == 3, 6, a), m), "step 3.*found 6"),
        (lambda a, m: (np.where(np.arange(len(a)) == 0, -1, a), m), "step 0.*found -1"),
        (lambda a, m: (a.astype(np.float32), m), "type float32.*int64"),
        (lambda a, m: (a[:, None], m), "actions.*shape"),
        (lambda a, m: (a, 0 * m), "legal, row 0.*forbids every action"),
        (lambda a, m: (a, m[:, :5]), r"infos/legal.*shape \(13, 5\)"),
        (lambda a, m: (a, np.where(np.arange(6) == a[2], 0, m)), "the mask forbids"),
    ],
)
def test_bad_episodes_are_refused(change: Any, words: str, tmp_path: Path):
    world, recorded = episodes()
    actions, mask = change(recorded[1].actions, recorded[1].infos["legal"])
    if words == "the mask forbids":  # but allows another, so that only this is wrong
        mask[:, (recorded[1].actions[2] + 1) % 6] = 1
    infos = {**recorded[1].infos, "legal": mask}
    recorded[1] = changed(recorded[1], actions=actions, infos=infos)
    spaces = world.observation_space, world.action_space
    with pytest.raises(RefusedError, match=f"episode 1.*{words}"):
        check_episodes(recorded, *spaces, "some")
    folder = tmp_path / "bad-v0"
    with pytest.raises(RefusedError):
        write_dataset(folder, folder.name, recorded, world, {})
    assert not folder.exists()


@pytest.mark.parametrize(
    "space",
    [{"type": "Discrete", "dtype": "int64", "start": 1, "n": 6}, {"type": "Tuple"}],
)
def test_other_spaces_are_refused(space: dict[str, Any], tmp_path: Path):
    folder, _, _ = write(tmp_path, "taxi")
    path = folder / "data/metadata.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps(metadata | {"action_space": json.dumps(space)}))
    card = json.loads((folder / "card.json").read_text())
    write_sealed(folder / "card.json", card | {"metadata_sha256": sha256(path)})
    with pytest.raises(RefusedError, match="action_space.*expected a Box space"):
        load_episodes(folder)
