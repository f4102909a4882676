"""XQL: its equations, the soft maximum its value finds, and outliers."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.train.cores.actor_critic import Critics
from tasks.train.xql import XQL, XQLParams

from . import harness
from .point import point_return


def plain(**changes: Any) -> XQL:
    """Networks without hidden layers, one seed."""
    values = dict.fromkeys(("actor_hidden", "critic_hidden"), ())
    values |= {"discount": 0.99, "polyak": 0.005, "beta": 3.0, "weight_max": 100.0}
    values |= {"actor_rate": 3e-4, "critic_rate": 3e-4, "policy": "deterministic"}
    values |= {"reward_scale": "none", "temperature": 2.0, "exponent_max": 7.0}
    params = XQLParams(**{**values, "huber": 20.0, **changes})
    return XQL(params, harness.unit_spaces(), (0,), 1)


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("policy", ["deterministic", "gaussian"])
def test_a_step_is_the_equations(k: int, policy: str):
    learner = harness.make(
        "xql", policy=policy, temperature=0.2, exponent_max=3.0, huber=2.0
    )
    with torch.no_grad():  # targets that differ, norms that do something
        for parameter in learner.target.parameters():
            parameter.mul_(1.7).add_(0.1)
        learner.value.layers[-1].bias.sub_(1)
        for norm in learner.value.norms:
            norm.weight.add_(torch.linspace(-0.5, 0.5, norm.weight.shape[-1]))
            norm.bias.add_(0.2)
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    step = 3
    learner.update(batch, step)

    q = torch.minimum(*ref.q("target", ref.o, ref.a)).detach()
    z = (q - ref.net("value", ref.o, norm="before")[:, 0]) / 0.2
    assert z.max() > 3 > z.min()  # both sides of the cut
    z = z.clamp(max=3.0)
    loss = math.exp(-max(-1.0, z.max().item())) * (z.exp() - z - 1).mean()
    ref.step(("value",), loss, 3e-4)

    v = ref.net("value", ref.o, norm="before")[:, 0].detach()  # of the new weights
    v2 = ref.net("value", ref.o2, norm="before")[:, 0].detach()
    y = ref.r + 0.99 * (1 - ref.d) * v2
    loss = torch.zeros(())
    for q_i in ref.q("critics", ref.o, ref.a):
        e = (q_i - y).abs()
        assert e.max() > 2 > e.min()
        loss = loss + torch.where(e < 2, e**2 / 2, 2 * (e - 1)).mean()
    ref.step(("critics",), loss, 3e-4)
    ref.polyak("target", "critics", 0.005)

    weight = (3 * (q - v)).exp().clamp(max=100)
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
    learner = plain(critic_rate=0.0, huber=1.5)
    harness.constant(learner.target, [3.0], [2.0])
    harness.constant(learner.critics, [2.0], [3.0])
    harness.constant(learner.value, [1.0])
    harness.constant(learner.actor, [0.0, 0.0])
    found = learner.update(harness.two_rows([[0.5, 0], [0, -1]]), 0)
    # z = (2 - 1) / 2 in both rows; y = 1 + 0.99 and 1
    rows = 0.01**2 / 2 + 1.01**2 / 2, 1 / 2 + 1.5 * 1.25
    truth = {
        "target_kurtosis": 1.0,  # of any two numbers
        "tail_share": rows[1] / sum(rows),
        "value_loss": (math.exp(0.5) - 0.5 - 1) * math.exp(-0.5),
        "critic_loss": (0.01**2 / 2 + 1 / 2) / 2 + (1.01**2 / 2 + 1.5 * 1.25) / 2,
        "actor_loss": math.exp(3) * (0.25 + 1) / 2,
        "value": 1.0,
    }
    assert {k: v.item() for k, v in found.items()} == pytest.approx(truth, rel=1e-5)


def test_the_value_is_the_soft_maximum():
    learner = plain(temperature=0.7)
    q = torch.tensor([[0.3, -1.0, 2.0, 1.1]])
    v = (0.7 * ((q / 0.7).exp().mean(-1)).log()).expand_as(q)
    (gradient,) = learner.value_loss(q, v).slopes
    assert gradient.sum().item() == pytest.approx(0, abs=1e-6)
    assert gradient.abs().min() > 0.02  # row by row it pulls


def test_outliers_stay_finite_and_are_cut():
    learner = plain(temperature=1.0)
    q = torch.tensor([[500.0, 3.0, -500.0]])
    v = torch.zeros(1, 3)
    loss, (gradient,) = learner.value_loss(q, v)
    assert loss.isfinite().all()
    assert gradient[0, 0] == 0  # beyond the cut
    rest = (1 - math.exp(3)) * math.exp(-7) / 3
    assert gradient[0, 1].item() == pytest.approx(rest, rel=1e-5)
    assert gradient[0, 2].item() == pytest.approx(math.exp(-7) / 3, rel=1e-5)
    # where Q lies far below, the scale stops at e instead of growing
    (gradient,) = learner.value_loss(q - 600, v).slopes
    assert gradient.max().item() == pytest.approx(math.e / 3, rel=1e-5)


def test_each_seed_has_its_own_scale():
    learner = plain(temperature=1.0)
    q = torch.tensor([[1.0, 2.0], [5.0, 6.0]])
    v = torch.zeros(2, 2)
    both = learner.value_loss(q, v).each
    assert torch.equal(both[:1], learner.value_loss(q[:1], v[:1]).each)
    assert torch.equal(both[1:], learner.value_loss(q[1:], v[1:]).each)


def test_evaluates_logged_actions_only(monkeypatch: pytest.MonkeyPatch):
    asked: list[Tensor] = []
    forward, fit = Critics.forward, Critics.fit

    def spy(self: Critics, observation: Tensor, action: Tensor) -> Tensor:
        asked.append(action)
        return forward(self, observation, action)

    def spy_fit(self: Critics, optimiser: Any, o: Tensor, a: Tensor, *loss: Any) -> Any:
        asked.append(a)
        return fit(self, optimiser, o, a, *loss)

    monkeypatch.setattr(Critics, "forward", spy)
    monkeypatch.setattr(Critics, "fit", spy_fit)
    learner = harness.make("xql")
    batch = harness.random_batch(learner)
    learner.update(batch, 0)
    assert len(asked) == 2
    assert all(action is batch.action for action in asked)


def test_beats_bc():  # which stays below -0.6, see test_iql.py
    options: dict[str, Any] = {"actor_rate": 3e-3, "critic_rate": 3e-3}
    options |= {"reward_scale": "none", "beta": 10.0, "temperature": 0.2}
    assert point_return("xql", 200, policy="deterministic", **options) > -0.4


def test_same_as_every_learner(tmp_path: Path):
    harness.check_bootstrap("xql")
    harness.check_engine("xql", tmp_path)
    harness.check_exports("xql")
    harness.check_refusals("xql", "temperature", 0.0)
    harness.check_refusals("xql", "exponent_max", 0.0)
    harness.check_refusals("xql", "huber", -1.0)
