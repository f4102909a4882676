"""RIQL: its equations, and what each of its three parts does."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.train.engine.loop import train
from tasks.train.engine.table import pack
from tasks.train.riql import RIQL, RIQLParams

from . import harness
from .point import point_return

MASK = (np.arange(96) % 3 == 0).astype(np.float32)
CORRUPTED = harness.transitions(attacked=MASK)


def plain(**changes: Any) -> RIQL:
    """Networks without hidden layers, one seed, observations as they are."""
    values: dict[str, Any] = dict.fromkeys(("actor_hidden", "critic_hidden"), ())
    values |= {"discount": 0.99, "polyak": 0.005, "beta": 3.0, "weight_max": 100.0}
    values |= {"actor_rate": 3e-4, "critic_rate": 3e-4, "policy": "deterministic"}
    values |= {"reward_scale": "none", "expectile": 0.7, "members": 3}
    values |= {"quantile": 0.25, "sigma": 1.0, "normalise": "none"}
    values |= {"target_low": -100.0, "target_high": 1000.0}
    params = RIQLParams(**{**values, **changes})
    return RIQL(params, harness.unit_spaces(), (0,), 1)


def lively(learner: Any) -> Any:
    """Targets of their own, no critic always the smallest, a value that matters."""
    g = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for net in (learner.critics, learner.target, learner.value):
            for parameter in net.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=g))
    return learner


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("policy", ["deterministic", "gaussian"])
def test_a_step_is_the_equations(k: int, policy: str):
    """In the paper's order: the policy's advantage is that before the critics' step."""
    options = {"members": 4, "quantile": 0.4, "sigma": 0.8, "policy": policy}
    options |= {"target_low": -3.0, "target_high": 2.5}
    options |= {"polyak": 0.5, "critic_rate": 0.02}  # so that the order shows
    learner = lively(harness.make("riql", data=CORRUPTED, **options))
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    step = 3
    found = learner.update(batch, step)

    v2 = ref.net("value", ref.o2)[:, 0].detach()
    q = torch.stack(ref.q("target", ref.o, ref.a)).detach()
    ordered = q.sort(dim=0).values
    low = ordered[1] + (0.4 * 3 - 1) * (ordered[2] - ordered[1])
    adv = low - ref.net("value", ref.o)[:, 0]
    weight = torch.where(adv < 0, 0.3, 0.7)
    ref.step(("value",), (weight * adv**2).mean(), 0.02)

    whole = ref.r + 0.99 * (1 - ref.d) * v2
    y = whole.clamp(-3, 2.5)
    assert y.min() == -3
    assert y.max() == 2.5
    delta, loss = 1 / 0.8**2, torch.zeros(())
    for q_i in ref.q("critics", ref.o, ref.a):
        x = (y - q_i).abs()
        assert x.max() > delta > x.min()
        loss = loss + torch.where(x < delta, x**2 / (2 * delta), x - delta / 2).mean()
    ref.step(("critics",), loss / 4, 0.02)
    ref.polyak("target", "critics", 0.5)

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

    clipped = (whole != y).double().mean().item()
    rows = torch.arange(16) % 3 == 0
    truth = {
        "clip_share": clipped,
        "spread_clean": q.std(0)[~rows].mean().item(),
        "spread_attacked": q.std(0)[rows].mean().item(),
        "caution_clean": (q.mean(0) - low)[~rows].mean().item(),
        "caution_attacked": (q.mean(0) - low)[rows].mean().item(),
    }
    assert 0 < clipped < 1
    assert {n: found[n][k].item() for n in truth} == pytest.approx(truth, rel=1e-4)


def test_losses_by_hand():
    learner = plain(target_high=2.0)
    harness.constant(learner.target, [3.0], [2.0], [2.5])  # quantile 2.25
    harness.constant(learner.critics, [1.5], [3.0], [-2.0])
    harness.constant(learner.value, [1.5])
    harness.constant(learner.actor, [0.0, 0.0])
    found = learner.update(harness.two_rows([[0.5, 0], [0, -1]]), 0)
    # y = 1 + 0.99 * 1.5, clipped to 2, and 1; delta = 1
    first = 0.5**2 / 2, 1 - 0.5, 4 - 0.5
    second = 0.5**2 / 2, 2 - 0.5, 3 - 0.5
    rows = sum(first) / 3, sum(second) / 3
    truth = {
        "value_loss": 0.7 * 0.75**2,
        "critic_loss": sum(rows) / 2,
        "actor_loss": math.exp(3 * 0.75) * (0.25 + 1) / 2,
        "value": 1.5,
        "target_kurtosis": 1.0,
        "tail_share": max(rows) / sum(rows),
        "clip_share": 0.5,
    }
    assert {k: v.item() for k, v in found.items()} == pytest.approx(truth, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_huber_has_its_delta_and_slope_one(sigma: float):
    learner, delta = plain(sigma=sigma), 1 / sigma**2
    x = torch.linspace(-3 * delta, 3 * delta, 601, dtype=torch.float64)
    zeros = torch.zeros(1, 601, dtype=torch.float64)
    (_, (slope,)), loss = learner.critic_loss(x.view(1, 1, -1), zeros)
    slope = slope * 601  # of the sum
    size = x.abs()
    square, line = x**2 / (2 * delta), size - delta / 2
    truth = torch.where(size < delta, square, line)
    torch.testing.assert_close(loss.view(-1), truth)
    beyond = slope.view(-1)[size > delta].abs()
    torch.testing.assert_close(beyond, torch.ones(400).double())
    torch.testing.assert_close(slope.view(-1)[size < delta], x[size < delta] / delta)


def test_the_quantile_is_numpys_over_members():
    q = torch.randn(2, 5, 30, generator=torch.Generator().manual_seed(0))
    for share in (0.0, 0.1, 0.25, 0.5, 1.0):
        found = plain(members=5, quantile=share).cautious_q(q)
        truth = np.quantile(q.numpy(), share, axis=1, method="linear")
        np.testing.assert_allclose(found.numpy(), truth, rtol=1e-6, atol=1e-6)
    second = q.sort(dim=1).values[:, 1]
    assert torch.equal(plain(members=5).cautious_q(q), second)  # K = 5, a = 0.25


def test_it_is_iql_with_two_members_the_smallest_and_squares():
    """On a fixed batch: losses, gradients and, where no Adam rescales, weights."""
    small = 1e-2
    scale = 2 / small**2  # 2 delta, what the Huber loss divides squares by
    data = harness.transitions(
        observation_mean=np.zeros(3, np.float32), observation_std=np.ones(3, np.float32)
    )
    options = {"members": 2, "quantile": 0.0, "sigma": small, "normalise": "none"}
    ours = lively(harness.make("riql", data=data, **options))
    theirs = harness.make("iql", data=data, reward_scale="none")
    theirs.load_state_dict(ours.state_dict())
    batch = harness.random_batch(ours)
    found, truth = ours.update(batch, 2), theirs.update(batch, 2)
    for name in ("value_loss", "actor_loss", "value"):
        assert torch.equal(found[name], truth[name]), name
    torch.testing.assert_close(found["critic_loss"] * scale, truth["critic_loss"])
    for (name, one), other in zip(
        ours.named_parameters(), theirs.parameters(), strict=True
    ):
        if one.grad is None or other.grad is None:
            assert name.startswith("target.")
            continue
        rate = scale if name.startswith("critics.") else 1.0
        size = float(other.grad.abs().max())
        torch.testing.assert_close(
            one.grad * rate, other.grad, atol=1e-5 * size, rtol=1e-5
        )


def test_first_weights():
    learner = harness.make("riql")
    *hidden, last = learner.critics.net.layers
    assert all((layer.bias == 0.1).all() for layer in hidden)
    for tensor in (last.weight, last.bias):
        assert 1e-3 < tensor.abs().max() <= 3e-3
    for one, other in zip(
        learner.critics.parameters(), learner.target.parameters(), strict=True
    ):
        assert torch.equal(one, other)
        assert len(one.unique()) > 1 or (one == 0.1).all()


def test_statistics_are_of_the_pairs_and_go_with_the_policy():
    data = CORRUPTED
    learner = harness.make("riql", data=data)
    both = np.concatenate([data.observation, data.next_observation]).astype(np.float64)
    mean, std = both.mean(0), both.std(0)
    policy = learner.policy()
    np.testing.assert_allclose(policy.observation_mean.numpy(), mean, rtol=1e-6)
    np.testing.assert_allclose(policy.observation_std.numpy(), std, rtol=1e-6)
    assert not np.allclose(mean, data.observation.mean(0), atol=1e-3)
    table = pack(learner, data)
    np.testing.assert_allclose(table[:, :3], (data.observation - mean) / std, atol=1e-6)
    raw = torch.from_numpy(data.observation[:5]).expand(2, -1, -1)
    squashed = learner.actor.squashed(table[:5, :3].expand(2, -1, -1))
    torch.testing.assert_close(
        policy(raw), squashed * torch.tensor([1, 2]) + policy_mid()
    )
    as_is = pack(harness.make("riql", data=data, normalise="none"), data)
    assert torch.equal(as_is[:, :3], torch.from_numpy(data.observation))


def policy_mid() -> torch.Tensor:
    """Middle of the tiny data's action bounds."""
    return torch.tensor([1.0, 4.0])


def test_spaces_without_pairs_say_so():
    with pytest.raises(ValueError, match="without statistics of pairs"):
        harness.unit_spaces().normalised("pairs")


def test_a_sensor_that_never_changes_is_told():
    observation = CORRUPTED.observation.copy()
    observation[:, 1] = 2.5
    data = harness.transitions(observation=observation, next_observation=observation)
    with pytest.warns(UserWarning, match=r"observation \[1\] never changes"):
        learner = harness.make("riql", data=data)
    assert pack(learner, data)[:, 1].abs().max() == 0  # not NaN


def test_corrupted_observations_leave_the_policy_where_it_was():
    """On clean observations, as it is played; scaling and weights could both spoil it.

    On hopper, where all policies fall, each such policy fell after 18 or 110 steps.
    """
    draw = np.random.default_rng(0)
    state = draw.normal(size=(2000, 3)) * (1, 10, 0.1) + (0, 5, 0)
    right = np.tanh(((state - (0, 5, 0)) / (1, 10, 0.1)) @ [[1, -1], [0.5, 1], [-1, 0]])
    noise = state.std(0) * draw.uniform(-1, 1, state.shape)
    wrong = np.where(draw.random((2000, 1)) < 0.3, state + noise, state)
    action = right * (1, 2) + (1, 4)
    scaled = {}
    for name, seen in (("clean", state), ("wrong", wrong)):
        data = harness.transitions(
            n=2000,
            observation=seen.astype(np.float32),
            next_observation=state.astype(np.float32),
            action=action.astype(np.float32),
        )
        learner = harness.make("riql", data=data, updates=600, actor_rate=3e-3)
        train(learner, data, 600, 64)
        raw = torch.from_numpy(state.astype(np.float32)).expand(2, -1, -1)
        with torch.no_grad():
            policy = learner.policy()
            scaled[name] = policy.squashed(policy.normalise(raw)).numpy()
    for name, acted in scaled.items():
        error = np.abs(acted - right).mean((1, 2))
        assert (error < 0.15).all(), (name, error)
    assert np.abs(scaled["clean"] - scaled["wrong"]).mean() < 0.15


def test_beats_bc():  # which stays below -0.6, see test_iql.py
    options: dict[str, Any] = {"actor_rate": 3e-3, "critic_rate": 3e-3, "beta": 10.0}
    assert point_return("riql", **options) > -0.4


@pytest.mark.parametrize(
    ("field", "value"),
    [("members", 1), ("quantile", 1.01), ("quantile", -0.1), ("sigma", 0.0)],
)
def test_what_is_out_of_range_is_refused(field: str, value: float):
    harness.check_refusals("riql", field, value)


def test_a_clip_the_wrong_way_round_is_refused():
    with pytest.raises(RefusedError, match=r"target_low: found 5.*less than .* 5"):
        harness.make("riql", target_low=5.0, target_high=5.0)


def test_same_as_every_learner(tmp_path: Path):
    harness.check_bootstrap("riql")
    harness.check_seed_alone("riql", data=CORRUPTED)
    harness.check_same_bytes("riql", tmp_path)
    harness.check_resume("riql", tmp_path, data=CORRUPTED, policy="gaussian")
    harness.check_exports("riql")
