"""Figures that need the world, a network or a map, on recorded episodes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.readings import COLUMNS, MASK
from tasks.measure.qdc_metrics import quality
from tasks.measure.qdc_metrics.embedding import Reference
from tasks.measure.qdc_metrics.figures import Bootstrap
from tasks.measure.qdc_metrics.probe import probe
from tasks.measure.qdc_metrics.share import map_figures
from tests.measure import qdc_files as files
from tests.worlds.harness import load


@pytest.fixture(scope="module")
def episodes() -> list[Any]:
    return files.recorded(episodes=14)


def test_re_simulation_runs_the_world(episodes: list[Any]):
    world, by = load("pendulum"), Reference(np.zeros(3), np.ones(3), "params")
    draw = np.random.default_rng(0)
    found = quality.replay(world, episodes, by, 60, draw)
    assert isinstance(found, quality.Replayed)
    assert found.residual.max() < 1e-6
    assert found.reward.max() < 1e-6
    batch = world.make(8)  # the same world, but its gravity halved
    batch.set_params({"gravity": 0.5})
    world.make = lambda _: batch  # type: ignore[method-assign]
    lighter = quality.replay(world, episodes, by, 60, np.random.default_rng(0))
    assert isinstance(lighter, quality.Replayed)
    assert np.median(lighter.residual) > 1e-2


@pytest.mark.parametrize("name", ["hopper", "pointmaze_umaze", "cartpole", "taxi"])
def test_other_worlds_give_their_transitions_again(name: str):
    steps = {"max_steps": 30} if name != "taxi" else {"max_steps": 60}
    made = files.recorded(name, episodes=3, **steps)
    width = made[0].observations.shape[1]
    by = Reference(np.zeros(width), np.ones(width), "params")
    found = quality.replay(load(name), made, by, 24, np.random.default_rng(0))
    assert isinstance(found, quality.Replayed)
    assert found.residual.max() < 1e-3
    assert found.reward.max() < 1e-3


def test_a_world_that_cannot_is_unavailable_and_never_zero(
    episodes: list[Any], monkeypatch: pytest.MonkeyPatch
):
    world = load("pendulum")
    batch = type(world.make(1))
    by, draw = Reference(np.zeros(3), np.ones(3), "params"), np.random.default_rng(0)
    bare = [replace(e, infos={}) for e in episodes]
    why = quality.replay(world, bare, by, 8, draw)
    assert why == "the dataset has no states of the simulator"
    monkeypatch.delattr(batch, "reset_to")
    why = quality.replay(world, episodes, by, 8, draw)
    assert why == "pendulum has no reset_to"
    for one in quality.dynamics(why, 1e-3, None):
        assert (one.value, one.low, one.why) == (None, None, why)


def test_a_probe_tells_help_from_none():
    draw = np.random.default_rng(0)
    x, owner = draw.normal(size=(1200, 2)), np.repeat(np.arange(12), 100)
    options = {"hidden": (16,), "steps": 300, "batch": 64, "rate": 1e-2, "seed": 0}
    easy = np.tanh(x[:, :1])
    told_, untold = probe(x, easy, owner, discrete=False, **options)  # type: ignore[arg-type]
    assert told_.mean() / untold.mean() < 0.1
    noise = draw.uniform(-1, 1, (1200, 1))
    told_, untold = probe(x, noise, owner, discrete=False, **options)  # type: ignore[arg-type]
    assert 0.9 < told_.mean() / untold.mean() < 1.5  # what it learns is wrong elsewhere
    chosen = 2.0 * np.eye(2)[(x[:, 0] > 0).astype(int)] - 1
    told_, untold = probe(x, chosen, owner, discrete=True, **options)  # type: ignore[arg-type]
    assert untold.mean() == pytest.approx(np.log(2), abs=0.05)
    assert told_.mean() < 0.2


def test_qd_score_by_hand():
    cell, score = np.array([0, 0, 2]), np.array([50.0, 80, -10])
    found = map_figures(cell, 4, score, Bootstrap(3, 100, 0.95, 0))
    assert found["qd_score"].value == pytest.approx(0.8 / 4)
    assert found["coverage"].value == 0.5


def test_what_is_read_is_measured_and_not_what_happened(
    tmp_path: Path, episodes: list[Any]
):
    edited = []
    for e in episodes:
        reward = np.append(np.full(len(e), 7.0, np.float32), 0)
        mask = np.append(np.ones(len(e), np.float32), 0)
        infos = {**e.infos, COLUMNS["rew"]: reward, MASK: mask}
        edited.append(replace(e, infos=infos))
    files.write(tmp_path, "read", edited)
    root = tmp_path / "data/datasets"
    found = files.metrics(gate={}).metrics("read", ["read"], root)
    assert found["quality"]["rewards"]["value"] == 0
    assert found["quality"]["dynamics"]["value"] == 1
    low, high = (files.block("pendulum")[k] for k in ("ref_min", "ref_max"))
    expected = 100 * (7 * 200 - low) / (high - low)
    assert found["quality"]["score"]["value"] == pytest.approx(expected)
