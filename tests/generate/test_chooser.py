"""Behaviours of discrete worlds: random among the legal, deterministic per episode."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import build_model, contract_of, write_onnx
from tasks.generate.engine.recording import Plan, collect
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP
from tasks.worlds import World
from tasks.worlds.engine.behaviors import Chooser, open_behavior
from tests.nets.test_categorical import ORIGIN
from tests.worlds.harness import load


def behavior(folder: Path, world: World, noise: float) -> Any:
    """An untrained network's, opened from its file."""
    width = world.observation_space.shape[0]
    count = world.action_width
    policy = Feedforward(
        list(MLP((0,), "some", (width, 8, count)).layers),
        "categorical",
        torch.zeros(width),
        torch.ones(width),
        torch.zeros(count),
        torch.ones(count),
        masked=world.masked,
    )
    path = folder / world.params.name / "some.onnx"
    path.parent.mkdir(exist_ok=True)
    write_onnx(path, build_model(policy, 0), contract_of(policy, 0, ORIGIN, "exact"))
    return open_behavior(folder, world, "some", noise)


def record(world: World, acting: Any, in_flight: int = 4, count: int = 6) -> Any:
    plan = Plan(0, 0, count, None, in_flight)
    return collect(world, [(acting, plan)], lambda *_: None)


@pytest.mark.parametrize("name", ["taxi", "cartpole"])
@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_the_same_however_many_are_in_flight(name: str, noise: float, tmp_path: Path):
    world = load(name, max_steps=25)
    acting = behavior(tmp_path, world, noise)
    for one, other in zip(record(world, acting, 1), record(world, acting), strict=True):
        assert np.array_equal(one.actions, other.actions)
        assert np.array_equal(one.observations, other.observations)
        if name == "taxi":
            steps = np.arange(len(one))
            assert (one.infos["legal"][steps, one.actions] == 1).all()


def test_noise_is_the_share_of_random_actions(tmp_path: Path):
    world = load("taxi", max_steps=100)
    greedy = behavior(tmp_path, world, 0.0)
    changed, steps, expected = 0, 0, 0.0
    for episode in record(world, behavior(tmp_path, world, 0.4), count=10):
        legal = episode.infos["legal"][:-1]
        best = greedy.policy.act(episode.observations[:-1], legal=legal)
        changed += int((best != episode.actions).sum())
        expected += float((0.4 * (1 - 1 / legal.sum(1))).sum())
        steps += len(episode)
    assert steps > 500
    assert abs(changed - expected) < 4 * np.sqrt(expected)


def test_the_random_policy_draws_from_the_legal_evenly():
    world = load("taxi", max_steps=200)
    chosen = {}
    for episode in record(world, open_behavior(Path(), world, "random", 1.0), count=20):
        for mask, action in zip(episode.infos["legal"], episode.actions, strict=False):
            chosen.setdefault(tuple(mask), []).append(action)
    mask, actions = max(chosen.items(), key=lambda item: len(item[1]))
    counts = np.bincount(actions, minlength=6)[np.array(mask) == 1]
    share = len(actions) / len(counts)
    assert (np.abs(counts - share) < 4 * np.sqrt(share)).all()


def test_noise_above_one_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="noise.*0 to 1 in taxi"):
        behavior(tmp_path, load("taxi"), 1.5)


def test_a_policy_of_another_kind_is_refused(tmp_path: Path):
    behavior(tmp_path, load("cartpole"), 0.0)
    (tmp_path / "cartpole").rename(tmp_path / "pendulum")
    with pytest.raises(RefusedError, match=r"found \[4, 2, True\].*\[3, 1, False\]"):
        open_behavior(tmp_path, load("pendulum"), "some", 0.0)


def test_without_a_network_all_are_random():
    acting = Chooser("random", 3, 0.0)
    noise = np.array([[0.9, 0.0], [0.9, 0.5], [0.9, 0.99]], np.float32)
    assert acting.actions(np.zeros((3, 1)), noise).tolist() == [0, 1, 2]
