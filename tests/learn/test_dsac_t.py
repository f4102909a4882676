"""DSAC-T: its losses by the authors' formulas, sigma, running means, its schedule."""

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.train.cores.tanh_gaussian import sample_tanh_gaussian
from tasks.train.engine.slices import in_slices
from tests.learn.online import make as online
from tests.train import harness
from tests.worlds.harness import load

CASES = ("dsac_t", "paper", "dsac_v1", "sac")


def make(case: str = "dsac_t", seeds: tuple[int, ...] = (3, 1), **more: Any) -> Any:
    """A learner whose critics and targets differ from each other."""
    named = {"loss": "paper"} if case == "paper" else {"algorithm": case}
    learner = harness.make("dsac_t", seeds, **(named | more))
    g = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for net in (learner.critics, learner.target, learner.target_actor):
            for parameter in net.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=g))
    return learner


def hub(x: Tensor) -> Tensor:
    return torch.where(x.abs() <= 50, 0.5 * x**2, 50 * (x.abs() - 25))


def official(case: str, q: Any, s: Any, y: Any, z: Any, m: Any, w: Any) -> Tensor:
    """A critic's loss in the authors' words; of the paper, its gradient's."""
    sg, qg = s.detach(), q.detach()
    if case == "dsac_v1":
        bound = qg + torch.clamp(z - qg, -1, 1)
        a = -(z - q).detach() / (sg**2 + 0.1) * q
        return (a - ((qg - bound) ** 2 - sg**2) / (sg**3 + 0.1) * s).mean()
    bound = qg + torch.clamp(z - qg, -3 * m, 3 * m)
    if case == "paper":
        a = -(y - qg) / (sg**2 + 0.1) * q
        b = ((bound - qg) ** 2 - sg**2) / (sg**3 + 0.1) * s
        return (w + 0.1) * (a - b).mean()
    ratio = (m**2 / (sg**2 + 0.1)).clamp(0.1, 10)
    return (ratio * (hub(q - y) + s * (sg**2 - hub(qg - bound)) / (sg + 0.1))).mean()


def outputs(net: Any, o: Tensor, a: Tensor, seed: int, member: int) -> list[Tensor]:
    """Mean and deviation of one critic of a seed in float64."""
    x, members = torch.cat([o, a], 1).double(), net.net.members
    for i, layer in enumerate(net.net.layers):
        x = nn.functional.gelu(x) if i else x
        row = seed * members + member
        x = x @ layer.weight[row].double() + layer.bias[row].double()
    return [x[:, 0], torch.log1p(x[:, 1].exp())]


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_the_critics_step_is_the_authors(case: str, k: int):
    """The gradient of every critic, in float64 and in plain numbers."""
    learner = make(case)
    with torch.no_grad():
        learner.mean_std.fill_(0.3)
        learner.mean_variance.fill_(0.2)
    batch = harness.random_batch(learner)
    batch.noise["value"].mul_(3)  # some are beyond what z is clipped to
    batch.reward.mul_(20)  # both branches of Huber's loss, and of the clip
    before, alpha = deepcopy(learner), math.e
    learner.update(batch, 1)
    policy = before.actor if case == "sac" else before.target_actor
    a2, log_pi = sample_tanh_gaussian(
        policy, batch.next_observation, batch.noise["next"]
    )
    o, a = batch.observation[k], batch.action[k]
    o2, a2, log_pi = batch.next_observation[k], a2[k].detach(), log_pi[k].detach()
    members = range(before.members)
    nexts = [outputs(before.target, o2, a2, k, e) for e in members]
    draws = batch.noise["value"][k, :, :, 0].clamp(-3, 3)
    assert (batch.noise["value"].abs() > 3).any()
    y, z = [], []
    for row in range(len(o)):
        j = min(members, key=lambda e, row=row: float(nexts[e][0][row]))
        for targets, more in ((y, 0.0), (z, draws[row, j] * nexts[j][1][row])):
            soft = nexts[j][0][row] + more - alpha * log_pi[row]
            done = batch.terminated[k, row]
            targets.append(batch.reward[k, row] + 0.99 * (1 - done) * soft)
    loss: Any = 0
    for e in members:
        q, s = outputs(before.critics, o, a, k, e)
        m = 0.995 * 0.3 + 0.005 * s.detach().mean()
        w = 0.995 * 0.2 + 0.005 * s.detach().square().mean()
        y64, z64 = (torch.stack(x).double().detach() for x in (y, z))
        if case == "sac":
            loss = loss + (q - y64).square().mean()
        else:
            loss = loss + official(case, q, s, y64, z64, m, w)
        assert learner.mean_std[k, e] == pytest.approx(float(m), rel=1e-5)
    names = [n for n, _ in before.critics.named_parameters()]
    truth = torch.autograd.grad(loss, list(before.critics.parameters()))
    for name, expected in zip(names, truth, strict=True):
        own = learner.critics.get_parameter(name)
        rows = slice(k * before.members, (k + 1) * before.members)
        torch.testing.assert_close(own.grad[rows], expected[rows], rtol=2e-3, atol=1e-3)


def test_actor_and_temperature_step_by_critics_from_before():
    learner = make()
    batch = harness.random_batch(learner)
    before = deepcopy(learner)
    learner.update(batch, 0)
    o = batch.observation
    a, log_pi = sample_tanh_gaussian(before.actor, o, batch.noise["current"])
    q = before.critics(o, a)[0]
    loss = (math.e * log_pi - torch.minimum(q[:, 0], q[:, 1])).mean(1).sum()
    truth = torch.autograd.grad(loss, list(before.actor.parameters()))
    for own, expected in zip(learner.actor.parameters(), truth, strict=True):
        torch.testing.assert_close(own.grad, expected, rtol=1e-4, atol=1e-5)
    gap = -log_pi.detach().mean(1) + harness.A
    torch.testing.assert_close(learner.log_temperature.grad, gap)


def test_a_deviations_gradient_is_of_its_own_term():
    """The mean's output learns from y_q alone, the deviation's from y_z alone."""
    learner = make()
    q = torch.randn(2, 2, 6, requires_grad=True)
    sigma = torch.rand(2, 2, 6, requires_grad=True)
    learner.renew(sigma)

    def slopes(y_q: Tensor, y_z: Tensor) -> tuple[Tensor, ...]:
        loss, _ = learner.critic_loss(q, sigma, y_q, y_z)
        return torch.autograd.grad(loss.sum(), [q, sigma])

    y, z = torch.randn(2, 6), torch.randn(2, 6)
    first, others = slopes(y, z), (slopes(y + 1, z), slopes(y, z + 0.1))
    assert not torch.equal(first[0], others[0][0])
    assert torch.equal(first[1], others[0][1])
    assert torch.equal(first[0], others[1][0])
    assert not torch.equal(first[1], others[1][1])


@pytest.mark.parametrize(("loss", "settles"), [("code", 0.68), ("paper", 0.995)])
def test_sigma_of_normal_targets_settles(loss: str, settles: float):
    """At sqrt(1/2), less what the clip takes off, or at 1."""
    learner = make("paper" if loss == "paper" else "dsac_t", (0,))
    z = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    raw = torch.zeros(1, 2, 1, requires_grad=True)
    still = torch.zeros(1, 2, z.shape[1])
    optimiser = torch.optim.Adam([raw], 0.05)
    for _ in range(150):
        sigma = nn.functional.softplus(raw).expand_as(still)
        learner.mean_std.fill_(-1)  # the running mean is the present one
        learner.mean_variance.fill_(-1)
        learner.renew(sigma)
        each, _ = learner.critic_loss(still, sigma, 0 * z, z)
        optimiser.zero_grad()
        each.sum().backward()
        optimiser.step()
    assert nn.functional.softplus(raw.detach())[0, 0].item() == pytest.approx(
        settles, abs=0.02
    )


def test_bound_and_weight_follow_the_rewards():
    """Ten times the reward, ten times the clip range, once sigma has followed."""
    learner = make(seeds=(0,))
    for scale in (1.0, 10.0):
        sigma = scale * (0.5 + torch.rand(1, 2, 64))
        for _ in range(2000):
            learner.renew(sigma)
        close: Any = {"rtol": 1e-3, "atol": 0}
        torch.testing.assert_close(learner.mean_std, sigma.mean(-1), **close)
        variance = sigma.square().mean(-1)
        torch.testing.assert_close(learner.mean_variance, variance, **close)
        inside = 2.9 * sigma.mean()
        for off, share in ((inside, 0.0), (1.2 * inside, 1.0)):
            y = off * torch.ones(1, 64)
            _, clipped = learner.critic_loss(0 * sigma, sigma, y, y)
            assert clipped == share


def test_v1s_bound_clips_large_rewards():
    """Nine rows of ten and more lie beyond 1 where errors are of about 100."""
    errors = 100 * torch.randn(1, 500, generator=torch.Generator().manual_seed(1))
    zeros, sigma = torch.zeros(1, 1, 500), torch.ones(1, 1, 500)
    learner = make("dsac_v1", (0,))
    learner.renew(sigma)
    _, clipped = learner.critic_loss(zeros, sigma, errors, errors)
    assert clipped > 0.95
    assert learner.critic_loss(zeros, sigma, errors / 500, errors / 500)[1] < 0.05


def test_actor_and_targets_move_at_every_second_update():
    learner = make()
    batch = harness.random_batch(learner)
    for step in range(4):
        before = {n: p.detach().clone() for n, p in learner.named_parameters()}
        learner.update(batch, step)
        moved = {
            n.partition(".")[0]
            for n, p in learner.named_parameters()
            if not torch.equal(p, before[n])
        }
        every = {"actor", "target_actor", "critics", "target", "log_temperature"}
        assert moved == ({"critics"} if step % 2 else every)
        if step % 2 == 0:
            for part in ("target_actor", "target"):
                source = part.replace("target_actor", "actor").replace(
                    "target", "critics"
                )
                name, own = next(iter(getattr(learner, part).named_parameters()))
                new = getattr(learner, source).get_parameter(name)
                mixed = 0.995 * before[f"{part}.{name}"] + 0.005 * new
                torch.testing.assert_close(own, mixed)


def test_a_reward_scale_a_slice_is_the_same_as_rewards_times_it():
    one = make(seeds=(3,))
    params = type(one.params).parse(harness.block("dsac_t"), "learn.dsac_t")
    many = type(params).parse(
        harness.block("dsac_t", reward_scale=10.0), "learn.dsac_t"
    )
    both = type(one)(in_slices([params, many], 1), one.spaces, (3, 3), 10)
    batch = harness.random_batch(both)
    for part in (batch.observation, batch.action, batch.next_observation):
        part[1] = part[0]
    y = both.targets(batch)[0]
    batch.reward[1] = 10 * batch.reward[1]
    alone = type(one)(params, one.spaces, (3, 3), 10)
    torch.testing.assert_close(y, alone.targets(batch)[0])


def test_it_acts_by_its_policy_from_the_first_step():
    learner = online("dsac_t", load("pendulum"), (3,), 90, actor_hidden=[8])
    g = torch.Generator().manual_seed(1)
    o, noise = torch.randn(1, 4, 3, generator=g), torch.randn(1, 4, 1, generator=g)
    chance = type("C", (), {"normal": noise.numpy(), "uniform": None})
    with torch.no_grad():
        action = learner.act(o, None, chance, 0)
        torch.testing.assert_close(2 * action, learner.policy()(o, noise))


@pytest.mark.parametrize("case", CASES)
def test_truncation_bootstraps_and_termination_does_not(case: str):
    named = {"loss": "paper"} if case == "paper" else {"algorithm": case}
    harness.check_bootstrap("dsac_t", **named)


def test_same_as_every_learner(tmp_path: Path):
    fast = {"actor_rate": 0.01, "critic_rate": 0.01}
    harness.check_engine("dsac_t", tmp_path, **fast)
    harness.check_exports("dsac_t")
    harness.check_refusals("dsac_t", "clip", 0.0)


@pytest.mark.parametrize(
    ("name", "value"), [("policy_delay", 0), ("algorithm", "dsac"), ("loss", "huber")]
)
def test_bad_parameters_are_refused(name: str, value: Any):
    with pytest.raises(RefusedError, match=name):
        harness.make("dsac_t", **{name: value})
