"""SAC: its equations and its likelihood."""

from pathlib import Path

import pytest
import torch
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from tasks.learn.sac import SAC, SACParams
from tasks.train.cores.actor_critic import actor
from tasks.train.cores.tanh_gaussian import sample_tanh_gaussian
from tests.train import harness
from tests.train.soft import tanh_gaussian


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equations(k: int):
    learner = harness.make("sac", target_entropy_scale=0.5)
    with torch.no_grad():
        learner.log_temperature.copy_(torch.tensor([-0.4, 0.3]))
        for parameter in learner.target.parameters():
            parameter.mul_(1.3)
        learner.critics.net.layers[-1].weight.mul_(9)  # neither is always the smaller
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)

    alpha = ref.t["log_temperature"].detach().exp()
    a2, log_pi = tanh_gaussian(ref, ref.o2, ref.noise["next"])
    soft = torch.minimum(*ref.q("target", ref.o2, a2)) - alpha * log_pi
    y = (ref.r + 0.99 * (1 - ref.d) * soft).detach()
    q1, q2 = ref.q("critics", ref.o, ref.a)
    loss = ((q1 - y) ** 2).mean() + ((q2 - y) ** 2).mean()
    ref.step(("critics",), loss, 1e-3)

    a, log_pi = tanh_gaussian(ref, ref.o, ref.noise["current"])
    loss = (alpha * log_pi - torch.minimum(*ref.q("critics", ref.o, a))).mean()
    ref.step(("actor",), loss, 3e-4)

    goal = -0.5 * harness.A
    gap = -(log_pi.detach() + goal).mean()
    ref.step(("log_temperature",), (ref.t["log_temperature"].exp() * gap).sum(), 1e-3)
    ref.polyak("target", "critics", 0.005)
    ref.check()


def test_critic_loss_by_hand():
    block = harness.block("sac", actor_hidden=[], critic_hidden=[])
    params = SACParams.parse(block, "learn.sac")
    learner = SAC(params, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.actor, [0.0, 0.0, 0.0, 0.0])
    harness.constant(learner.target, [3.0], [2.0])
    harness.constant(learner.critics, [2.0], [3.0])
    zeros = [[0.0, 0.0], [0.0, 0.0]]
    batch = harness.two_rows([[0.5, 0], [0, -1]], next=zeros, current=zeros)
    found = learner.update(batch, 0)
    # at the mode of a unit normal, where tanh' = 1: log pi = -log(2 pi)
    entropy = 1.8378770664093453
    assert found["entropy"].item() == pytest.approx(entropy, rel=1e-6)
    y = 1 + 0.99 * (2 + entropy)
    first, second = ((2 - y) ** 2 + 1) / 2, ((3 - y) ** 2 + 4) / 2
    assert found["critic_loss"].item() == pytest.approx(first + second, rel=1e-6)


def test_likelihood_of_tanh_gaussian():
    policy = actor(harness.unit_spaces(), (0,), (8,), head="gaussian")
    g = torch.Generator().manual_seed(1)
    o, noise = (torch.randn(1, 500, n, generator=g) for n in (harness.O, harness.A))
    with torch.no_grad():
        action, log_pi = sample_tanh_gaussian(policy, o, noise)
        mean, log_std = policy.preactivation(o).double().chunk(2, -1)
    base = Independent(Normal(mean, log_std.exp()), 1)
    truth = TransformedDistribution(base, [TanhTransform()])
    expected = truth.log_prob(action.double())
    torch.testing.assert_close(log_pi.double(), expected, atol=1e-4, rtol=1e-4)


def test_likelihood_far_out_is_finite():
    policy = actor(harness.unit_spaces(), (0,), (), head="gaussian")
    harness.constant(policy, [40.0, -40.0, 0.0, 0.0])
    o, noise = torch.zeros(1, 1, harness.O), torch.zeros(1, 1, harness.A)
    _, log_pi = sample_tanh_gaussian(policy, o, noise)
    # 1 - tanh(40)^2 = 4 exp(-80), where the textbook formula is log 0
    log_normal, correction = -0.9189385, 2 * 0.6931472 - 80
    assert log_pi.item() == pytest.approx(2 * (log_normal - correction), rel=1e-6)


def test_same_as_every_learner(tmp_path: Path):
    harness.check_bootstrap("sac")
    harness.check_engine("sac", tmp_path)
    harness.check_refusals("sac", "polyak", -0.1)
