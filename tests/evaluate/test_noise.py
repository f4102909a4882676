"""Policies that are played with noise: which, and on what it depends."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.estimate import target
from tasks.evaluate.engine.compatibility import check_fits
from tasks.evaluate.engine.noise import BLOCK, Noise
from tasks.evaluate.returns import play
from tasks.nets.diffusion import DiffusionPolicy
from tasks.worlds.engine.behaviors import Network
from tests.evaluate.test_learning import learning
from tests.evaluate.test_returns import quiet, returns
from tests.nets.diffusions import diffusion
from tests.train.harness import transitions
from tests.variant_files import policy, world, write


def sampling(seeds: int) -> DiffusionPolicy:
    """Of the pendulum, two noises a step."""
    made = diffusion(2, tuple(range(seeds)), observation=3, action=1)
    made.action_scale.fill_(2)
    made.action_offset.fill_(0)
    return made


def files(folder: Path, seeds: int = 2, **changes: Any) -> dict[int, OnnxPolicy]:
    """ONNX files of :func:`sampling`."""
    where = world("pendulum", max_steps=30)
    made = sampling(seeds)
    paths = write(folder, made, where, "float32", **changes)
    return {k: OnnxPolicy.open(path) for k, path in enumerate(paths)}


def test_noise_is_of_start_seed_and_step_alone():
    one, other = Noise([5, 9, 5], 4), Noise([9], 4)
    steps = [0, 1, BLOCK - 1, BLOCK, 3]
    for step in steps:
        drawn = one(step)
        assert drawn.shape == (3, 4)
        assert drawn.dtype == np.float32
        assert np.array_equal(drawn[1:2], other(step))
        assert np.array_equal(drawn[0], drawn[2])
        assert not np.array_equal(drawn[0], drawn[1])
    every = np.stack([Noise([1], 50)(step)[0] for step in range(100)])
    assert every.std() == pytest.approx(1, abs=0.03)
    assert len(np.unique(every)) == every.size


def test_an_episode_does_not_depend_on_what_plays_beside_it(tmp_path: Path):
    where, acting = world("pendulum", max_steps=30), files(tmp_path)[1]
    table = play(where.make(4), acting, 1, np.arange(4) + 3, quiet)
    alone = play(where.make(1), acting, 1, np.array([5]), quiet)
    assert alone.returns[0] == pytest.approx(table.returns[2], rel=1e-3)
    again = play(where.make(4), acting, 1, np.arange(4) + 3, quiet)
    assert np.array_equal(again.returns, table.returns)


def test_it_is_played_as_its_contract_or_the_parameter_says(tmp_path: Path):
    where, policies = world("pendulum", max_steps=30), files(tmp_path)
    tables = {
        acting: returns(episodes=3, acting=acting).run(where, policies, quiet)
        for acting in ("auto", "normal", "zero")
    }
    assert np.array_equal(tables["auto"].returns, tables["normal"].returns)
    assert not np.allclose(tables["auto"].returns, tables["zero"].returns, rtol=1e-3)
    old = files(tmp_path / "old")
    for acting in old.values():  # a file of before the field
        del acting.contract["inputs"]["noise"]["acting"]
    found = returns(episodes=3).run(where, old, quiet)
    assert np.array_equal(found.returns, tables["zero"].returns)


def test_a_gaussian_head_keeps_to_its_mean_unless_told(tmp_path: Path):
    where = world("pendulum", max_steps=20)
    made = policy(where, 1, [[0.3, -1, 0.2]], "gaussian", 0.1)
    (path,) = write(tmp_path, made, where, "float32")
    opened = {0: OnnxPolicy.open(path)}
    assert "acting" not in opened[0].contract["inputs"]["noise"]
    auto, zero, normal = (
        returns(episodes=2, acting=a).run(where, opened, quiet).returns
        for a in ("auto", "zero", "normal")
    )
    assert np.array_equal(auto, zero)
    assert not np.allclose(auto, normal, rtol=1e-3)


def test_the_score_on_the_way_is_that_of_the_files(tmp_path: Path):
    """All slices of the stack meet the noise their files meet."""
    where, policies = world("pendulum", max_steps=30), files(tmp_path)
    made = sampling(2)
    tables = learning(episodes=3).returns(where, made)
    wanted = returns(episodes=3).run(where, policies, quiet).table()
    np.testing.assert_allclose(tables, wanted, rtol=1e-3)


def test_a_contract_must_ask_for_noise_that_exists(tmp_path: Path):
    where, opened = world("pendulum", max_steps=30), files(tmp_path, 1)[0]
    check_fits(Path("f"), opened.contract, where)
    noise = opened.contract["inputs"]["noise"]
    opened.contract["inputs"]["noise"] = noise | {"acting": "loud"}
    with pytest.raises(RefusedError, match="acting: found loud, expected zero or"):
        check_fits(Path("f"), opened.contract, where)
    hopper = world("hopper")  # three actions: 4 numbers are no multiple
    contract = opened.contract | {"inputs": {**opened.contract["inputs"]}}
    contract["inputs"]["noise"] = noise | {"shape": ["batch", 4]}
    contract |= {"world": "hopper", "env_id": "Hopper-v5"}
    contract["inputs"]["observation"] = {"shape": ["batch", 11]}
    contract["step_seconds"] = hopper.step_seconds
    space = hopper.action_space
    bounds = {"low": space.low.tolist(), "high": space.high.tolist()}
    contract["outputs"] = {"action": {"shape": ["batch", 3], **bounds}}
    with pytest.raises(RefusedError, match=r"noise.shape: found \[4\], expected \[3\]"):
        check_fits(Path("f"), contract, hopper)


@pytest.mark.parametrize("acting", ["loud", "Normal"])
def test_a_bad_parameter_is_refused(acting: str):
    with pytest.raises(RefusedError, match="one of auto, normal, zero"):
        returns(acting=acting)


def test_estimates_refuse_it(tmp_path: Path):
    """They judge the action without chance, or a Gaussian's noise."""
    opened = files(tmp_path, 1)[0]
    data = transitions(observation=np.zeros((5, 3), np.float32))
    bounds = opened.contract["outputs"]["action"]
    data.action_low, data.action_high = (
        np.array(bounds[end], np.float32) for end in ("low", "high")
    )
    for noise in (0.0, 1.0):
        with pytest.raises(RefusedError, match="acting: found normal, expected zero"):
            target(Path("f"), opened, data, noise)


def test_as_a_behaviour_it_gets_all_its_noises(tmp_path: Path):
    where, opened = world("pendulum"), files(tmp_path, 1)[0]
    behaviour = Network("sampling", where.action_space, 1.0, opened)
    assert behaviour.noise_width == 2
    drawn = behaviour.draw(np.random.default_rng(0), 3)
    assert drawn.shape == (3, 2)
    observation = np.ones((3, 3), np.float32)
    found = behaviour.actions(observation, drawn)
    wanted = opened.act(observation, drawn)
    np.testing.assert_allclose(found, np.clip(wanted, -2, 2), atol=1e-6)
    assert behaviour.log_prob(observation, found) is None
    assert torch.from_numpy(found).std() > 0
