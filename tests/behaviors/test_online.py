"""The online loop: what it stores, and that a seed's run is its own."""

from typing import Any

import numpy as np
import pytest
import torch

from tasks.behaviors.engine import online
from tasks.behaviors.engine.online import Replay, run
from tasks.train import Spaces
from tasks.worlds import World, require
from tests.train import harness
from tests.worlds.harness import load


def sac(world: World, seeds: tuple[int, ...]) -> Any:
    width = world.observation_space.shape[0]
    space = world.action_space
    spaces = Spaces(
        torch.zeros(width),
        torch.ones(width),
        torch.from_numpy(space.low),
        torch.from_numpy(space.high),
    )
    small = {"actor_hidden": (8,), "critic_hidden": (8,)}
    params = online_params() | small
    from tasks.train.sac import SAC, SACParams

    return SAC(SACParams.parse(params, "train.sac"), spaces, seeds, 100)


def online_params() -> dict[str, Any]:
    return harness.block("sac", actor_rate=0.01, critic_rate=0.01)


def trained(seeds: tuple[int, ...], steps: int = 90) -> tuple[Any, list[Any]]:
    """The learner after a short run, and the return each step reported."""
    harness.settle()
    world = load("pendulum", max_steps=30)
    learner = sac(world, seeds)
    returns = [finished for _, finished, _ in run(learner, world, steps, 30, 8, 0.5)]
    return learner, returns


def test_the_ring_keeps_the_newest():
    replay = Replay(2, 3, observation=2, action=1)
    for t in range(5):
        o = np.array([[t, t], [100 + t, 100 + t]])
        a, r = o[:, :1] / 10, np.array([t, -t])
        replay.add(o, a, r, o + 1, np.array([t == 4, False]))
        assert replay.size == min(t + 1, 3)
    draws = [np.random.default_rng(k) for k in (0, 1)]
    o, a, r, o2, terminated = replay.sample(draws, 64)
    assert [tuple(x.shape) for x in (o, a, r, o2, terminated)] == [
        (2, 64, width) for width in (2, 1, 1, 2, 1)
    ]
    assert set(r[0].flatten().tolist()) == {2, 3, 4}
    assert set(r[1].flatten().tolist()) == {-2, -3, -4}
    torch.testing.assert_close(o[1], (100 - r[1]).expand(-1, 2))
    torch.testing.assert_close(o2, o + 1)
    torch.testing.assert_close(a, o[..., :1] / 10)
    assert torch.equal(terminated[0], (r[0] == 4).float())
    assert not terminated[1].any()


def test_only_what_was_stored_is_drawn():
    replay = Replay(1, 100, observation=1, action=1)
    one = np.ones((1, 1))
    replay.add(one, one, np.array([7.0]), one, np.array([False]))
    reward = replay.sample([np.random.default_rng(0)], 50)[2]
    assert (reward == 7).all()


def test_a_seed_draws_its_own_rows():
    replay = Replay(2, 50, observation=1, action=1)
    for t in range(50):
        x = np.full((2, 1), t)
        replay.add(x, x, np.array([t, t]), x, np.zeros(2, bool))
    together = replay.sample([np.random.default_rng(k) for k in (3, 4)], 20)[2]
    alone = Replay(1, 50, observation=1, action=1)
    alone.rows, alone.size = replay.rows[1:], replay.size
    assert torch.equal(together[1:], alone.sample([np.random.default_rng(4)], 20)[2])
    assert not torch.equal(together[0], together[1])


def test_ends_are_stored_as_what_they_are(monkeypatch: pytest.MonkeyPatch):
    """Terminated where the world says so; a time limit is none; no row spans two."""
    kept: list[Replay] = []

    class Kept(Replay):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            kept.append(self)

    monkeypatch.setattr(online, "Replay", Kept)
    world = load("hopper", max_steps=14)
    returns = [
        finished for _, finished, _ in run(sac(world, (0, 1)), world, 120, 200, 8, 1)
    ]
    rows = [np.split(rows, kept[0].cuts, axis=-1) for rows in kept[0].rows]
    limits = 0
    for k, (o, a, _, o2, terminated) in enumerate(rows):
        fallen = require(world, "termination_fn")(o, a, o2)
        assert np.array_equal(terminated[:, 0].astype(bool), fallen)
        ended = ~np.isnan(np.array(returns)[:, k])
        assert ended[fallen].all()
        limits += int((ended & ~fallen).sum())
        broken = (o[1:] != o2[:-1]).any(1)
        assert np.array_equal(broken, ended[:-1])
        assert np.abs(a).max() <= 1
    assert fallen.any()
    assert limits > 0


def test_the_returns_are_sums_over_whole_episodes():
    _, returns = trained((3,))
    ended = np.flatnonzero(~np.isnan(np.array(returns)[:, 0]))
    assert ended.tolist() == [29, 59, 89]
    world = load("pendulum", max_steps=30)
    env = world.make(1)
    env.reset(seed=[2**20 + 3 * 100_003])
    draw, total = np.random.default_rng([3, 1]), 0.0
    for _ in range(30):
        action = draw.uniform(-1, 1, 1).astype(np.float32)
        total += env.step(2 * action[None])[1][0]
    np.testing.assert_allclose(returns[29][0], total, rtol=1e-6)


def test_the_same_seed_is_the_same_run():
    (one, returns), (again, same) = trained((3,)), trained((3,))
    np.testing.assert_array_equal(returns, same)
    for a, b in zip(one.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_seed_alone_is_the_seed_in_a_stack():
    (stack, returns), (alone, same) = trained((5, 3)), trained((3,))
    np.testing.assert_allclose(np.array(returns)[:, 1:], same, rtol=1e-5)
    pairs = zip(stack.policy().parameters(), alone.policy().parameters(), strict=True)
    for stacked, own in pairs:
        torch.testing.assert_close(stacked[1:], own, atol=1e-5, rtol=0)
        assert not torch.allclose(stacked[:1], own, atol=1e-3)


def test_nothing_is_learned_before_the_start():
    world = load("pendulum", max_steps=30)
    learner = sac(world, (3,))
    before = [p.detach().clone() for p in learner.parameters()]
    updates: list[int] = []
    real = learner.update
    learner.update = lambda batch, step: (updates.append(step), real(batch, step))
    for step, _, _ in run(learner, world, 50, 40, 8, 0.5):
        if step == 40:
            unchanged = zip(before, learner.parameters(), strict=True)
            assert all(torch.equal(a, b) for a, b in unchanged)
    assert updates == [0, 1, 2, 3, 4]
