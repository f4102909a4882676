"""Returns: episodes, pairing, parameters."""

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import build
from tasks.evaluate.engine.compatibility import check_fits
from tasks.evaluate.returns import play
from tests.nets.transformers import transformer
from tests.variant_files import (
    method,
    policy,
    world,
    write,
)

GAINS = {"pendulum": [[0.3, -1, 0.2]], "hopper": np.full((3, 11), 0.05)}
HEADS = ("tanh", "gaussian")


def returns(**changes: Any) -> Any:
    return build(method("evaluate", "returns", **changes), "evaluate.returns")


def opened(tmp_path: Path, where: Any, head: Any = "tanh", seeds: Any = 1) -> Any:
    gains = GAINS[where.params.name]
    files = write(tmp_path, policy(where, seeds, gains, head, 0.05), where, "float32")
    return {k: OnnxPolicy.open(path) for k, path in enumerate(files)}


def quiet(*_: Any) -> Any:
    """Progress that nobody watches."""


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["pendulum", "hopper"])
def test_equals_one_environment_at_a_time(tmp_path: Path, name: Any, head: Any) -> None:
    """Gymnasium's own loop, one observation a call, gives the same episodes.

    Tolerance: onnxruntime may add in another order for another batch size, and 60
    chaotic steps let 1e-7 grow; 1e-3 of the return is asked for.
    """
    where = world(name, max_steps=60)
    acting = opened(tmp_path, where, head)[0]
    table = play(where.make(5), acting, 0, np.arange(5) + 7, quiet)
    env = gymnasium.make(where.params.env_id, max_episode_steps=60)
    for i in range(5):
        observation, _ = env.reset(seed=7 + i)
        total, length, ended = 0.0, 0, False
        while not ended:
            action = acting.act(observation[None])[0]
            observation, reward, terminated, truncated, _ = env.step(action)
            total, length = total + float(reward), length + 1
            ended = terminated or truncated
        assert table.length[i] == length
        assert table.terminated[i] == terminated
        assert table.returns[i] == pytest.approx(total, rel=1e-3)


def test_alone_equals_in_the_batch(tmp_path: Path) -> None:
    """And live rows alone are shown to the policy, 1e-3 as above."""
    where = world("hopper")
    acting = opened(tmp_path, where)[0]
    shown = []
    step = acting.step
    acting.step = lambda given, carry: (
        shown.append(len(given["observation"])),
        step(given, carry),
    )[1]
    table = play(where.make(6), acting, 0, np.arange(6), quiet)
    assert sum(shown) == table.length.sum()
    assert len(set(table.length)) > 1
    for i in (5, 0, 3):
        alone = play(where.make(1), acting, 0, np.array([i]), quiet)
        assert alone.length[0] == table.length[i]
        assert alone.returns[0] == pytest.approx(table.returns[i], rel=1e-3)


def test_threads_change_nothing(tmp_path: Path) -> None:
    where = world("hopper")
    policies = opened(tmp_path, where, seeds=2)
    one = returns(episodes=5, threads=1).run(where, policies, quiet)
    two = returns(episodes=5, threads=3).run(where, policies, quiet)
    for field in dataclasses.fields(Episodes):
        assert np.array_equal(getattr(one, field.name), getattr(two, field.name))


def test_every_seed_plays_the_same_starts(tmp_path: Path) -> None:
    where = world("pendulum", max_steps=20)
    policies = opened(tmp_path, where, seeds=3)
    table = returns(episodes=4, start_seed=11).run(where, policies, quiet)
    assert table.seed.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert table.episode.tolist() == [0, 1, 2, 3] * 3
    assert table.start_seed.tolist() == [11, 12, 13, 14] * 3
    assert len(np.unique(table.returns)) == 12
    alone = returns(episodes=4, start_seed=11).run(where, {2: policies[2]}, quiet)
    assert np.array_equal(alone.returns, table.returns[8:])


def test_limit_and_falls_are_told_apart(tmp_path: Path) -> None:
    where = world("hopper", max_steps=25)
    files = write(tmp_path, policy(where, 1, np.full((3, 11), 3.0)), where, "float32")
    falls = play(where.make(4), OnnxPolicy.open(files[0]), 0, np.arange(4), quiet)
    assert falls.terminated.all()
    assert (falls.length < 25).all()
    files = write(tmp_path, policy(where, 1, np.zeros((3, 11))), where, "float32")
    stands = play(where.make(4), OnnxPolicy.open(files[0]), 0, np.arange(4), quiet)
    assert not stands.terminated.any()
    assert stands.length.tolist() == [25] * 4


@pytest.mark.parametrize("value", [1.01, -1.01, 1e6])
def test_actions_outside_the_bounds_are_refused(tmp_path: Path, value: float) -> None:
    where = world("hopper")
    acting = opened(tmp_path, where)[0]
    wrong = np.zeros((2, 3), np.float32)
    wrong[1, 2] = value
    acting.step = lambda x, _: ({"action": wrong[-len(x["observation"]) :]}, {})
    match = r"seed-0\.onnx: action: found .* at step 0, expected -1 to 1"
    with pytest.raises(RefusedError, match=match):
        play(where.make(2), acting, 0, np.arange(2), quiet)
    wrong[1, 2] = np.sign(value) * 1.00001  # rounding
    assert len(play(where.make(2), acting, 0, np.arange(2), quiet).returns) == 2


def test_actions_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    where = world("hopper")
    acting = opened(tmp_path, where)[0]
    wrong = np.full((2, 3), np.nan, np.float32)
    acting.step = lambda *_: ({"action": wrong}, {})
    with pytest.raises(RefusedError, match="not finite at step 0"):
        play(where.make(2), acting, 0, np.arange(2), quiet)


def test_summary(tmp_path: Path) -> None:
    where = world("pendulum", max_steps=20)
    evaluator = returns(episodes=8)
    table = evaluator.run(where, opened(tmp_path, where, seeds=2), quiet)
    found = evaluator.summary(where, table)
    assert found["return"]["mean"] == pytest.approx(table.returns.mean())
    assert found["return"]["low"] <= found["return"]["iqm"] <= found["return"]["high"]
    score = where.score(np.array(found["return"]["iqm"]))
    assert found["score"]["iqm"] == pytest.approx(score)
    assert [row["seed"] for row in found["per_seed"]] == [0, 1]
    assert found["terminated"] == 0
    assert found["length_mean"] == 20


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"episodes": 0}, "evaluate.returns.episodes"),
        ({"start_seed": 2**20 - 1, "episodes": 2}, "below 1048576"),
        ({"mode": "fast"}, "one of auto, exact, native"),
        ({"confidence": 1.0}, r"\(0, 1\)"),
        ({"episode": 3}, "did you mean episodes"),
    ],
)
def test_bad_parameters_are_refused(changes: Any, named: Any) -> None:
    with pytest.raises(RefusedError, match=named):
        returns(**changes)


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="expected a file"):
        Episodes.read(tmp_path / "episodes.parquet")
    (tmp_path / "episodes.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(RefusedError, match="expected parquet"):
        Episodes.read(tmp_path / "episodes.parquet")


def test_two_hundred_carried_steps_equal_the_torch_episode(tmp_path: Path) -> None:
    """A policy with a memory; live episodes keep their own carry (hopper falls)."""
    for name, count, gain in (("pendulum", 3, 12.0), ("hopper", 5, 1.0)):
        where, limit = world(name, max_steps=200), 200
        o, a = (
            space.shape[0] for space in (where.observation_space, where.action_space)
        )
        acting = transformer((0,), context=6, observation=o, action=a, gain=gain)
        acting.action_scale.fill_(float(where.action_space.high[0]))
        files = write(tmp_path / name, acting, where, "float32")
        opened_file = OnnxPolicy.open(files[0])
        check_fits(files[0], opened_file.contract, where)
        table = play(where.make(count), opened_file, 0, np.arange(count), quiet)
        assert name == "hopper" or table.length.tolist() == [limit] * count
        for i in range(count):
            env = gymnasium.make(where.params.env_id, max_episode_steps=limit)
            observation, _ = env.reset(seed=i)
            carry = {
                key: torch.full((1, 1, *entry.shape), entry.reset)
                for key, entry in acting.carry().items()
            }
            total, reward, length, ended = 0.0, 0.0, 0, False
            while not ended:
                given = {
                    "observation": torch.tensor(observation).float().view(1, 1, -1),
                    "reward": torch.tensor(reward).float().view(1, 1, 1),
                }
                outputs, carry = acting.step(given, carry)
                action = outputs["action"][0, 0].numpy()
                observation, reward, terminated, truncated, _ = env.step(action)
                total, length = total + float(reward), length + 1
                ended = terminated or truncated
            assert table.length[i] == length
            assert table.returns[i] == pytest.approx(total, rel=1e-3)
        assert name == "pendulum" or len(set(table.length.tolist())) > 1
