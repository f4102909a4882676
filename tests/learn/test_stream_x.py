"""Stream-x: its steps are the equations, and the policy it leaves acts as it does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.learn import Chance
from tasks.learn.cores.streaming_network import (
    entropy,
    log_likelihood,
)
from tasks.train import Batch
from tests.learn.online import make, run
from tests.worlds.harness import load

SEEDS = (3, 5)


def learner(world: str = "cartpole", seeds: Any = SEEDS, **more: Any) -> Any:
    streaming = {"hidden": [8, 8], "worlds": 1, "warm_up": 0}
    return make("stream_x", load(world, max_steps=20), seeds, 100, **streaming, **more)


def taken(agent: Any, reward: float, ended: float = 0.0) -> Batch:
    """A step of two seeds."""
    width = agent.spaces.observation
    o = torch.arange(2 * width).reshape(2, 1, width) / 7.0
    end, columns = torch.full((2, 1), ended), {"truncated": torch.zeros(2, 1, 1)}
    return Batch(
        o, agent.drawn[:, None], torch.full((2, 1), reward), o + 1, end, columns
    )


def chance(greedy: bool = True) -> Chance:
    uniform = np.full((2, 1, 2), 0.999 if greedy else 0.0, np.float32)
    return Chance(np.zeros((2, 1, 1), np.float32), uniform)


def test_a_step_of_q_is_the_equations():
    agent = learner(scale_rewards=False, clock=20)
    t = taken(agent, 2.0)
    agent.act(t.observation, None, chance(), 99)
    x, action = agent.here.clone(), agent.drawn.clone()
    assert (x[:, -1] == -0.5).all()  # the time at a reset
    before, trace = agent.value.weights.clone(), agent.value.trace.clone()
    assert not trace.any()
    agent.update(t, 99)
    assert (agent.here[:, -1] == -0.5).all()  # and once more after the first step
    weights = before.clone().requires_grad_()
    q = agent.value(x[:, None], weights)[:, 0]
    ahead = agent.value(agent.here[:, None], before)[:, 0].amax(1)
    delta = 2.0 + 0.99 * ahead - (q * action).sum(1)
    (gradient,) = torch.autograd.grad((q * action).sum(), weights)
    bound = 2.0 * delta.abs().clamp(min=1) * gradient.abs().sum(1)
    size = 1 / bound.clamp(min=1)
    stepped = before + (size * delta)[:, None].detach() * gradient
    torch.testing.assert_close(agent.value.weights, stepped)
    torch.testing.assert_close(agent.value.trace, gradient)


@pytest.mark.parametrize(("greedy", "ended"), [(True, 0.0), (False, 0.0), (True, 1.0)])
def test_traces_end_with_episodes_and_actions_that_are_not_greedy(
    greedy: bool, ended: float
):
    agent = learner(epsilon_start=1.0, epsilon_end=0.5)
    t = taken(agent, 1.0, ended)
    agent.act(t.observation, None, chance(greedy), 99)
    agent.greedy[0] = greedy
    agent.update(t, 0)
    assert agent.value.trace[0].any() == (greedy and not ended)
    assert (agent.begins == bool(ended)).all()


def test_sarsa_waits_for_the_next_action():
    agent = learner(algorithm="sarsa", scale_rewards=False)
    t = taken(agent, 2.0)
    agent.act(t.observation, None, chance(), 99)
    before, x, action = agent.value.weights.clone(), agent.here, agent.drawn
    agent.update(t, 0)
    assert torch.equal(agent.value.weights, before)
    agent.act(t.next_observation, None, chance(), 99)
    ahead = (agent.value(agent.here[:, None], before)[:, 0] * agent.drawn).sum(1)
    delta = 2.0 + 0.99 * ahead - (agent.value(x[:, None], before)[:, 0] * action).sum(1)
    moved = agent.value.weights - before
    assert moved.any(1).all()
    after = (agent.value(x[:, None])[:, 0] * action).sum(1)
    assert (
        (after - (agent.value(x[:, None], before)[:, 0] * action).sum(1)) * delta > 0
    ).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_entropy_of_an_actor_carries_the_errors_sign(sign: float):
    agent = learner("pendulum", algorithm="ac", scale_rewards=False, entropy=0.5)
    t = taken(agent, 50.0 * sign)
    noise = Chance(np.ones((2, 1, 1), np.float32), np.zeros((2, 1, 2), np.float32))
    agent.act(t.observation, None, noise, 0)
    x, drawn, before = agent.here, agent.drawn, agent.actor.weights.clone()
    agent.update(t, 0)
    weights = before.clone().requires_grad_()
    outputs = agent.actor(x[:, None], weights)[:, 0]
    goal = log_likelihood(outputs, drawn, False) + 0.5 * sign * entropy(outputs, False)
    (gradient,) = torch.autograd.grad(goal.sum(), weights)
    torch.testing.assert_close(agent.actor.trace, gradient)
    moved = agent.actor.weights - before
    along = (moved * gradient).sum(1) / gradient.square().sum(1)
    torch.testing.assert_close(moved, along[:, None] * gradient)
    assert (along * sign > 0).all()


@pytest.mark.parametrize(
    ("world", "more"),
    [
        ("cartpole", {"algorithm": "q", "clock": 20}),
        ("cartpole", {"algorithm": "sarsa"}),
        ("cartpole", {"algorithm": "ac"}),
        ("taxi", {"algorithm": "q"}),
        ("pendulum", {"algorithm": "ac", "clock": 20, "layer_norm": False}),
    ],
)
def test_the_policy_acts_as_the_learner_does_and_a_seed_is_its_own(
    world: str, more: dict[str, Any], tmp_path: Path
):
    """One float32 network, its statistics in the first layer, and the clock carried."""
    both, alone = learner(world, **more), learner(world, (5,), **more)
    place = load(world, max_steps=20)
    curves = [run(a, place, tmp_path / str(i)) for i, a in enumerate((both, alone))]
    rows = [row[2:] for row in curves[0].rows if row[1] == 5]
    np.testing.assert_allclose(rows, [row[2:] for row in curves[1].rows], rtol=1e-3)
    policy, carry = both.policy(), {}
    for name, entry in policy.carry().items():
        carry[name] = torch.full((2, 1, *entry.shape), entry.reset)
    network = both.actor if both.actor_critic else both.value
    both.begins, both.steps = torch.zeros(2, dtype=torch.bool), torch.zeros(2).long()
    g = torch.Generator().manual_seed(1)
    assert torch.equal(policy.seen.mean[:, 0], both.seen.mean.float())
    for _ in range(3):
        o = both.seen.mean.float() + torch.randn(
            2, both.spaces.observation, generator=g
        )
        inputs = {"observation": o[:, None]}
        if both.spaces.masked:
            inputs["legal"] = torch.ones(2, 1, both.spaces.action)
        outputs, carry = policy.step(inputs, carry)
        x = both.prepared(o, torch.zeros(2, dtype=torch.bool))
        own = network(x[:, None])[..., : both.spaces.action]
        if both.spaces.discrete:
            torch.testing.assert_close(outputs["logits"], own, atol=1e-4, rtol=1e-4)
        else:
            torch.testing.assert_close(
                outputs["action"], 2 * own.clamp(-1, 1), atol=1e-4, rtol=0
            )
        both.steps = both.steps + 1


@pytest.mark.parametrize("algorithm", ["q", "sarsa", "ac"])
def test_killed_it_ends_with_the_same_bits(algorithm: str, tmp_path: Path):
    """Between a step and the action after it, which sarsa waits for, too."""
    world = load("cartpole", max_steps=20)
    whole = learner(algorithm=algorithm, clock=20)
    curves = run(whole, world, tmp_path / "whole")

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    cut = learner(algorithm=algorithm, clock=20)
    with pytest.raises(KeyboardInterrupt):  # with a checkpoint each step
        run(cut, world, tmp_path / "cut", every=0, moments=[58], keep=stop)
    again = learner(algorithm=algorithm, clock=20)
    assert run(again, world, tmp_path / "cut").csv() == curves.csv()
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, again.tensors()[name]), name


def test_it_learns_to_balance(tmp_path: Path):
    """In 6,000 steps episodes grow; untrained ones last some 10 to 20 steps."""
    world = load("cartpole", max_steps=200)
    agent = make("stream_x", world, (0, 1, 2), 6000, worlds=1, warm_up=0, clock=200)
    curves = run(agent, world, tmp_path)
    last = [row[2] for row in curves.rows[-3:]]
    assert np.mean(last) > 60


def test_what_it_cannot_do_is_refused():
    with pytest.raises(RefusedError, match="ac, as q and sarsa choose"):
        learner("pendulum")
    with pytest.raises(RefusedError, match="keeps to no mask"):
        learner("taxi", algorithm="ac")
    for name, value in (("worlds", 2), ("warm_up", 5)):
        with pytest.raises(RefusedError, match=f"stream_x.{name}.*when it is taken"):
            make("stream_x", load("cartpole"), (0,), 9, **{name: value})
    for name, value in (("trace", 1.5), ("discount", -0.1), ("hidden", [1])):
        with pytest.raises(RefusedError, match=f"stream_x.{name}"):
            make("stream_x", load("cartpole"), (0,), 9, **{name: value})
    with pytest.raises(RefusedError, match="replay"):
        make("stream_x", load("cartpole"), (0,), 9, replay=100)


def test_a_clock_of_another_time_limit_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="stream_x.clock: found 30.*max_steps, 20"):
        run(learner(clock=30), load("cartpole", max_steps=20), tmp_path)
    assert not list(tmp_path.iterdir())


def test_rewards_that_are_not_finite_are_refused(tmp_path: Path):
    class Spoilt(type(load("cartpole"))):
        def make(self, count: int) -> Any:
            env = super().make(count)
            real = env.step

            def step(actions: Any) -> Any:
                after = real(actions)
                return after[0], np.full_like(after[1], np.nan), *after[2:]

            env.step = step
            return env

    world = Spoilt(load("cartpole", max_steps=20).params)
    with pytest.raises(RefusedError, match="not finite"):
        run(learner(clock=20), world, tmp_path)


def test_each_step_is_learned_from_once_and_nothing_of_it_is_kept(tmp_path: Path):
    agent, seen = learner(clock=20), list[tuple[int, tuple[int, ...]]]()
    real = agent.update

    def update(batch: Batch, step: int) -> Any:
        seen.append((step, tuple(batch.observation.shape)))
        return real(batch, step)

    agent.update = update
    run(agent, load("cartpole", max_steps=20), tmp_path)
    assert seen == [(step, (2, 1, 4)) for step in range(100)]
    assert [path.name for path in tmp_path.iterdir()] == ["state"]  # and no buffer
