"""IQL: its equations, what it never asks, and that it beats BC."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.train.cores.actor_critic import Critics
from tasks.train.engine.loop import train
from tasks.train.iql import IQL, IQLParams

from . import harness
from .point import point_return

PLAIN = IQLParams(
    (), (), 0.99, 0.005, 3e-4, 3e-4, 3.0, 100.0, "deterministic", "none", 0.7
)


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("policy", ["deterministic", "gaussian"])
def test_a_step_is_the_equations(k: int, policy: str):
    learner = harness.make("iql", policy=policy)
    with torch.no_grad():  # targets that differ, weights on both sides of the cap
        for parameter in learner.target.parameters():
            parameter.mul_(1.3).add_(0.1)
        for parameter in learner.value.parameters():
            parameter.mul_(2)
        if policy == "gaussian":
            learner.log_std.add_(torch.tensor([-0.5, 0.3]))
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    step = 3
    learner.update(batch, step)

    v2 = ref.net("value", ref.o2)[:, 0].detach()
    q1, q2 = ref.q("target", ref.o, ref.a)
    adv = torch.minimum(q1, q2).detach() - ref.net("value", ref.o)[:, 0]
    weight = torch.where(adv < 0, 0.3, 0.7)
    ref.step(("value",), (weight * adv**2).mean(), 3e-4)

    y = ref.r + 0.99 * (1 - ref.d) * v2
    q1, q2 = ref.q("critics", ref.o, ref.a)
    ref.step(("critics",), (((q1 - y) ** 2).mean() + ((q2 - y) ** 2).mean()) / 2, 3e-4)
    ref.polyak("target", "critics", 0.005)

    weight = (3 * adv.detach()).exp().clamp(max=100)
    mean = torch.tanh(ref.net("actor", ref.o))
    if policy == "gaussian":
        normal = torch.distributions.Normal(mean, ref.t["log_std"][0].exp())
        loss = (weight * -normal.log_prob(ref.a).sum(1)).mean()
    else:
        loss = (weight * ((mean - ref.a) ** 2).sum(1)).mean()
    rate = 3e-4 * 0.5 * (1 + math.cos(math.pi * step / 10))
    ref.step(("actor", "log_std"), loss, rate)
    ref.check()


def test_losses_by_hand():
    learner = IQL(PLAIN, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.target, [3.0], [2.0])
    harness.constant(learner.critics, [2.0], [3.0])
    harness.constant(learner.value, [1.5])
    harness.constant(learner.actor, [0.0, 0.0])
    found = learner.update(harness.two_rows([[0.5, 0], [0, -1]]), 0)
    # adv = min(3, 2) - 1.5; y = 1 + 0.99 * 1.5 and 1
    q1, q2 = (0.485**2 + 1) / 2, (0.515**2 + 4) / 2
    rows = (0.485**2 + 0.515**2) / 2, (1 + 4) / 2
    truth = {
        "target_kurtosis": 1.0,  # of any two numbers
        "tail_share": rows[1] / sum(rows),
        "value_loss": 0.7 * 0.5**2,
        "critic_loss": (q1 + q2) / 2,
        "actor_loss": math.exp(1.5) * (0.25 + 1) / 2,
        "value": 1.5,
    }
    assert {k: v.item() for k, v in found.items()} == pytest.approx(truth, rel=1e-6)


def test_expectile_and_cap():
    learner = IQL(PLAIN, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.actor, [0.0, 0.0])
    for value, weight, factor in ((4.0, 0.3, math.exp(-6)), (-3.0, 0.7, 100.0)):
        harness.constant(learner.target, [2.0], [2.0])
        harness.constant(learner.value, [value])
        harness.constant(learner.actor, [0.0, 0.0])
        found = learner.update(harness.two_rows([[1, 0], [0, -1]]), 0)
        truth = weight * (2 - value) ** 2
        assert found["value_loss"].item() == pytest.approx(truth, rel=1e-6)
        assert found["actor_loss"].item() == pytest.approx(factor, rel=1e-5)


@pytest.mark.parametrize("policy", ["deterministic", "gaussian"])
def test_evaluates_logged_actions_only(policy: str, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[Tensor, Tensor]] = []
    forward, fit = Critics.forward, Critics.fit

    def spy(self: Critics, observation: Tensor, action: Tensor) -> Tensor:
        asked.append((observation, action))
        return forward(self, observation, action)

    def spy_fit(self: Critics, optimiser: Any, o: Tensor, a: Tensor, *loss: Any) -> Any:
        asked.append((o, a))
        return fit(self, optimiser, o, a, *loss)

    monkeypatch.setattr(Critics, "forward", spy)
    monkeypatch.setattr(Critics, "fit", spy_fit)
    monkeypatch.setattr(Critics, "first", None)
    monkeypatch.setattr(Critics, "climb", None)
    learner = harness.make("iql", policy=policy)
    batch = harness.random_batch(learner)
    learner.update(batch, 0)
    assert len(asked) == 2  # target and critics, once each
    for observation, action in asked:
        assert observation is batch.observation
        assert action is batch.action


def test_actor_rate_falls_to_zero():
    learner = harness.make("iql", updates=10)
    rates = []
    for step in range(10):
        learner.update(harness.random_batch(learner), step)
        rates.append(learner.optimisers["actor"].rate)
    assert rates[0] == 3e-4
    assert rates[5] == pytest.approx(1.5e-4)
    assert rates[9] == pytest.approx(3e-4 * 0.02447, rel=1e-3)
    assert learner.optimisers["value"].rate == 3e-4


def test_rewards_span_a_thousand():
    data = harness.transitions()  # returns from -3 to 5
    reward = torch.from_numpy(data.reward)
    returns = torch.from_numpy(data.returns)
    scaled = harness.make("iql").rewards(reward, returns)
    torch.testing.assert_close(scaled, reward * 125)
    plain = harness.make("iql", reward_scale="none").rewards(reward, returns)
    assert torch.equal(plain, reward)


def test_equal_returns_are_refused():
    data = harness.transitions(returns=np.ones(3, np.float32))
    with pytest.raises(RefusedError, match=r"set train\.iql\.reward_scale to none"):
        train(harness.make("iql"), data, 1, batch=4)


def test_gaussian_deploys_its_mean():
    learner = harness.make("iql", policy="gaussian")
    assert learner.policy().head == "tanh"
    assert set(learner.policy().inputs()) == {"observation"}


def test_beats_bc():
    options: dict[str, Any] = {"actor_rate": 3e-3, "critic_rate": 3e-3}
    options |= {"reward_scale": "none", "beta": 10.0}
    assert point_return("iql", **options) > -0.4
    assert point_return("bc", actor_rate=3e-3) < -0.6


def test_same_as_every_learner(tmp_path: Path):
    harness.check_bootstrap("iql")
    harness.check_seed_alone("iql")
    harness.check_same_bytes("iql", tmp_path)
    harness.check_resume("iql", tmp_path, policy="gaussian")
    harness.check_refusals("iql", "expectile", 1.0)
    with pytest.raises(RefusedError, match="one of deterministic, gaussian"):
        harness.make("iql", policy="uniform")
