"""AWAC: its equations, which critics it asks, and that it beats BC."""

import math
from pathlib import Path

import pytest
import torch

from tasks.train.awac import AWAC, AWACParams

from . import harness
from .point import point_return

PLAIN = AWACParams((), (), 0.99, 0.005, 3e-4, 0.0, 0.5, 100.0)


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equations(k: int):
    learner = harness.make("awac", temperature=0.1)
    with torch.no_grad():  # targets that differ, means and weights beyond their clips
        for parameter in learner.target.parameters():
            parameter.mul_(1.3)
        learner.actor.layers[-1].weight.mul_(5)
        learner.critics.net.layers[-1].weight.mul_(9)
        learner.log_std.add_(torch.tensor([-0.5, 0.3]))
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)

    std = ref.t["log_std"][0].exp()
    a2 = ref.net("actor", ref.o2) + std * ref.noise["next"]
    q1, q2 = ref.q("target", ref.o2, a2.clamp(-1, 1))
    y = (ref.r + 0.99 * (1 - ref.d) * torch.minimum(q1, q2)).detach()
    q1, q2 = ref.q("critics", ref.o, ref.a)
    loss = ((q1 - y) ** 2).mean() + ((q2 - y) ** 2).mean()
    ref.step(("critics",), loss, 3e-4)

    mean = ref.net("actor", ref.o)
    assert mean.abs().max() > 1  # it has no tanh
    sampled = (mean + std * ref.noise["current"]).clamp(-1, 1)
    q = torch.minimum(*ref.q("critics", ref.o, ref.a))
    v = torch.minimum(*ref.q("critics", ref.o, sampled))
    weight = ((q - v) / 0.1).exp().clamp(max=100).detach()
    assert weight.max() == 100 > weight.min()
    log_pi = torch.distributions.Normal(mean, std).log_prob(ref.a).sum(1)
    ref.step(("actor", "log_std"), -(weight * log_pi).mean(), 3e-4)
    ref.polyak("target", "critics", 0.005)
    ref.check()


def test_losses_by_hand():
    learner = AWAC(PLAIN, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.target, [3.0], [2.0])
    harness.constant(learner.critics, [2.0], [3.0])
    harness.constant(learner.actor, [0.0, 0.0])
    with torch.no_grad():  # Q_1 = 2 + a_1
        learner.critics.net.layers[0].weight[0, harness.O] = 1
    noise = {"next": [[0.0, 0], [0, 0]], "current": [[0.25, 0], [-9, 0]]}
    found = learner.update(harness.two_rows([[0.5, 0], [0, -1]], **noise), 0)
    # y = 1 + 0.99 * 2 and 1; Q_1 = 2.5 and 2, Q_2 = 3
    first, second = (0.48**2 + 1**2) / 2, (0.02**2 + 2**2) / 2
    assert found["critic_loss"].item() == pytest.approx(first + second, rel=1e-5)
    # advantages 2.5 - 2.25 and, of the sample clipped to -1, 2 - 1; temperature 0.5
    weights = math.exp(0.5), math.exp(2)
    surprises = [0.5 * e + math.log(2 * math.pi) for e in (0.25, 1.0)]
    truth = sum(w * s for w, s in zip(weights, surprises, strict=True)) / 2
    assert found["actor_loss"].item() == pytest.approx(truth, rel=1e-5)
    assert found["weight"].item() == pytest.approx(sum(weights) / 2, rel=1e-5)


def test_the_weight_has_a_cap_and_the_advantage_is_of_the_online_critics():
    learner = AWAC(PLAIN, harness.unit_spaces(), (0,), 1)
    with torch.no_grad():
        for net in (learner.critics, learner.target):
            harness.constant(net, [0.0], [0.0])
        learner.critics.net.layers[0].weight[:, harness.O] = 9
    noise = {"next": [[0.0, 0], [0, 0]], "current": [[-9.0, 0], [-9, 0]]}
    found = learner.update(harness.two_rows([[1, 0], [1, 0]], **noise), 0)
    assert found["weight"].item() == 100  # exp(18 / 0.5) else, and 1 by the target


def test_deviation_is_clipped():
    learner = AWAC(PLAIN, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.actor, [0.0, 0.0])
    batch = harness.random_batch(learner)
    with torch.no_grad():
        learner.log_std.fill_(5.0)
    learner.update(batch, 0)
    assert learner.log_std.grad is not None
    assert not learner.log_std.grad.any()


def test_deploys_its_clipped_mean():
    learner = harness.make("awac")
    policy = learner.policy()
    assert policy.head == "clip"
    assert set(policy.inputs()) == {"observation"}
    with torch.no_grad():
        policy.layers[-1].bias.fill_(7.0)
        action = policy(torch.zeros(2, 1, harness.O))
    assert torch.equal(action, torch.tensor([2.0, 6.0]).expand(2, 1, 2))


def test_beats_bc():  # which stays below -0.6, see test_iql.py
    options = {"actor_rate": 3e-3, "critic_rate": 3e-3, "temperature": 0.05}
    assert point_return("awac", 200, **options) > -0.4


def test_same_as_every_learner(tmp_path: Path):
    harness.check_bootstrap("awac")
    harness.check_engine("awac", tmp_path)
    harness.check_exports("awac")
    harness.check_refusals("awac", "temperature", 0.0)
    harness.check_refusals("awac", "weight_max", 0.0)
