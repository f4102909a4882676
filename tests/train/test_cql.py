"""CQL: its equations, the importance terms, the multiplier, first weights."""

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import build_model
from tasks.artifacts.policy import load_policy, save_policy
from tasks.train.cores.actor_critic import Critics
from tasks.train.cql import CQL, CQLParams
from tasks.train.cql.soft_maximum import soft_maximum

from . import harness
from .point import point_return
from .soft import lively, tanh_gaussian

N = 4  # sampled actions


def make(seeds: tuple[int, ...] = (3, 1), **options: Any) -> Any:
    return harness.make("cql", seeds, **{"samples": N, **options})


def proposals(ref: harness.Reference) -> list[tuple[Tensor, Tensor]]:
    """3n actions (B, A) with their log density (B,), one after the other."""
    uniform = ref.noise["uniform"]
    found = [(uniform[:, j], torch.full((16,), 0.25).log().double()) for j in range(N)]
    for o, name in ((ref.o, "proposed"), (ref.o2, "proposed_next")):
        for j in range(N):
            a, log_pi = tanh_gaussian(ref, o, ref.noise[name][:, j], low=-20)
            found.append((a.detach(), log_pi.detach()))
    return found


@pytest.mark.parametrize(
    ("k", "options"),
    [
        (0, {}),
        (1, {"lagrange": True, "gap": 3.0}),
        (1, {"max_target": True}),
    ],
)
def test_a_step_is_the_equations(k: int, options: dict[str, Any]):
    learner = lively(make(**options))
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)

    log_alpha = ref.t["log_temperature"]
    a, log_pi = tanh_gaussian(ref, ref.o, ref.noise["current"], low=-20)
    gap = -(log_pi.detach() - harness.A).mean()
    actor_loss = log_alpha.detach().exp() * log_pi
    actor_loss = (actor_loss - torch.minimum(*ref.q("critics", ref.o, a))).mean()

    noise = ref.noise["next"]
    drawn = [noise[:, j] for j in range(N)] if options.get("max_target") else [noise]
    best = []
    for z in drawn:
        a2, _ = tanh_gaussian(ref, ref.o2, z, low=-20)
        best.append(torch.minimum(*ref.q("target", ref.o2, a2)))
    y = ref.r + 0.99 * (1 - ref.d) * torch.stack(best).max(0).values
    y = y.detach()

    held = proposals(ref)
    logged = ref.q("critics", ref.o, ref.a)
    loss, over = torch.zeros(()).double(), torch.zeros(()).double()
    for e in (0, 1):
        weighed = [ref.q("critics", ref.o, x)[e] - log_mu for x, log_mu in held]
        soft = torch.stack(weighed).exp().sum(0).log()
        difference = (soft - logged[e]).mean()
        loss = loss + ((logged[e] - y) ** 2).mean()
        if options.get("lagrange"):
            loss = loss + math.e * 10 * (difference - 3)
            over = over + 10 * (difference - 3).detach()
        else:
            loss = loss + 10 * difference

    ref.step(("log_temperature",), (log_alpha * gap).sum(), 3e-5)
    ref.step(("actor",), actor_loss, 3e-5)
    ref.step(("critics",), loss, 3e-4)
    if options.get("lagrange"):
        multiplier_loss = -ref.t["log_multiplier"].exp() * over / 2
        ref.step(("log_multiplier",), multiplier_loss.sum(), 3e-4)
    ref.polyak("target", "critics", 0.005)
    ref.check()


def by_hand(**options: Any) -> tuple[Any, dict[str, Tensor]]:
    """Constant networks, all noise 0, two rows: what one update tells."""
    fields = {"samples": N, "weight": 10.0, "lagrange": False, "gap": 0.0}
    fields |= {"max_target": False, "orthogonal": False, **options}
    params = CQLParams((), (), 0.99, 0.005, 3e-4, 1e-3, 1.0, **fields)
    learner = CQL(params, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.actor, [0.0, 0.0, 0.0, 0.0])
    harness.constant(learner.target, [3.0], [2.0])
    harness.constant(learner.critics, [2.0], [3.0])
    batch = harness.two_rows([[0.5, 0], [0, -1]])
    noise = {
        name: torch.zeros(1, 2, *d.shape(harness.A))
        for name, d in learner.draws().items()
    }
    batch.noise = noise
    return learner, learner.update(batch, 0)


# of 4 uniform actions with density 1/4 and 8 of the policy, at the mode of a unit
# normal in two dimensions, with density 1 / (2 pi): log(4 * 4 + 8 * 2 pi)
EXCESS = math.log(16 + 16 * math.pi)


def test_losses_by_hand():
    _, found = by_hand()
    y = 1 + 0.99 * 2  # and 1: no entropy in the backup
    bellman = ((2 - y) ** 2 + 1 + (3 - y) ** 2 + 4) / 2
    assert found["excess"].item() == pytest.approx(EXCESS, rel=1e-6)
    truth = bellman + 10 * 2 * EXCESS
    assert found["critic_loss"].item() == pytest.approx(truth, rel=1e-6)


def test_importance_weights_make_it_an_integral():
    """With many draws the soft maximum is log of the integral of exp Q, three times."""
    learner = lively(make((0,), samples=10))
    with torch.no_grad():  # a policy that covers the actions
        learner.actor.layers[-1].weight.mul_(0.1)
        learner.actor.layers[-1].bias.zero_()
    g = torch.Generator().manual_seed(0)
    rows = 3000
    batch = harness.random_batch(learner, 1)
    batch.observation = batch.observation.expand(-1, rows, -1)
    batch.next_observation = batch.next_observation.expand(-1, rows, -1)
    batch.noise = {
        name: torch.randn(1, rows, *d.shape(2), generator=g)
        for name, d in learner.draws().items()
    }
    batch.noise["uniform"] = 2 * torch.rand(1, rows, 10, 2, generator=g) - 1
    with torch.no_grad():
        actions, log_mu = learner.proposals(batch)
        q = learner.critics.many(batch.observation, actions)[0, 0]  # (rows, 30)
        weighed = (q - log_mu[0]).exp().view(rows, 3, 10).mean((0, 2))
        grid = torch.linspace(-1, 1, 101)[:-1] + 0.01
        grid = torch.cartesian_prod(grid, grid)[None, None]
        truth = learner.critics.many(batch.observation[:, :1], grid)[0, 0, 0]
    integral = 4 * truth.exp().mean()
    torch.testing.assert_close(weighed, integral.expand(3), rtol=0.06, atol=0)


def test_the_soft_maximum_is_autograds(monkeypatch: pytest.MonkeyPatch):
    """Value and gradient, in pieces that do not come out even."""
    module = importlib.import_module("tasks.train.cql.soft_maximum")
    monkeypatch.setattr(module, "ROWS", 100)
    critics = Critics(harness.unit_spaces(), (3, 1), (9, 8, 7))
    g = torch.Generator().manual_seed(0)
    o, a = torch.randn(2, 31, 3, generator=g), torch.randn(2, 31, 12, 2, generator=g)
    log_mu = torch.randn(2, 31, 12, generator=g)
    found = soft_maximum(critics, o, a, log_mu)
    plain = torch.logsumexp(critics.many(o, a) - log_mu.unsqueeze(1), -1).mean(-1)
    torch.testing.assert_close(found, plain)
    weights, above = list(critics.parameters()), torch.tensor([[1.0, -2], [3, 0.5]])
    for mine, truth in zip(
        torch.autograd.grad((above * found).sum(), weights),
        torch.autograd.grad((above * plain).sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(mine, truth, atol=1e-5, rtol=1e-5)


def test_samples_are_detached():
    """The penalty moves the critics, and the actor not at all."""
    ends = []
    for weight in (0.0, 10.0):
        learner = lively(make(weight=weight))
        batch = harness.random_batch(learner)
        actions, log_mu = learner.proposals(batch)
        assert not actions.requires_grad
        assert not log_mu.requires_grad
        learner.update(batch, 0)
        ends.append(learner)
    plain, held = ends
    for mine, other in zip(
        plain.actor.parameters(), held.actor.parameters(), strict=True
    ):
        assert torch.equal(mine, other)
    weights = [learner.critics.net.layers[0].weight for learner in ends]
    assert not torch.equal(*weights)


def test_the_penalty_lowers_what_was_not_logged():
    learner = lively(make(critic_rate=3e-3, weight=10.0, discount=0.0))
    batch = harness.random_batch(learner)
    first = learner.update(batch, 0)["excess"]
    for step in range(1, 100):
        last = learner.update(batch, step)["excess"]
    assert (last < first - 0.5).all()


def test_the_multiplier_seeks_the_gap():
    moved = {}
    for gap in (EXCESS - 1, EXCESS + 1):
        learner, _ = by_hand(lagrange=True, gap=gap)
        moved[gap] = learner.log_multiplier.item() - 1
    assert moved[EXCESS - 1] == pytest.approx(1e-3, rel=1e-3)
    assert moved[EXCESS + 1] == pytest.approx(-1e-3, rel=1e-3)
    with torch.no_grad():
        learner.log_multiplier.fill_(50.0)
    assert learner.multiplier().item() == 1e6


def test_orthogonal_first_weights():
    learner, alone = make(), make((1,))
    for layer in learner.critics.net.layers[:-1]:
        narrow = layer.weight if layer.inputs > layer.outputs else layer.weight.mT
        one = 2 * torch.eye(narrow.shape[-1]).expand(4, -1, -1)
        torch.testing.assert_close(narrow.mT @ narrow, one, atol=1e-5, rtol=0)
        assert not layer.bias.any()
        assert not torch.allclose(layer.weight[0], layer.weight[1])
    norm = learner.critics.net.layers[-1].weight.norm(dim=1)
    torch.testing.assert_close(norm, torch.full_like(norm, 0.01))
    for stacked, single in zip(
        learner.critics.parameters(), alone.critics.parameters(), strict=True
    ):
        assert torch.equal(stacked[2:], single)
    bias = learner.actor.layers[-1].bias
    assert bias[0, 0].tolist() == [0, 0, -1, -1]


def test_other_first_weights():
    learner = make(orthogonal=False)
    plain = harness.make("sac")
    for mine, other in zip(
        learner.actor.layers[:-1], plain.actor.layers[:-1], strict=True
    ):
        assert torch.equal(mine.weight, other.weight)
    last = learner.actor.layers[-1]
    bound = 0.01 * math.sqrt(6 / (last.inputs + last.outputs))
    assert 0.8 * bound < last.weight.abs().max() <= bound


def test_exports_its_own_limits(tmp_path: Path):
    """Log std may fall to -20: what noise does there, SAC's limits would forbid."""
    learner = make((0,))
    save_policy(tmp_path, learner.policy(), {})
    policy, _ = load_policy(tmp_path)
    with torch.no_grad():
        policy.layers[-1].bias[..., harness.A :] = -12.0
        policy.layers[-1].weight.zero_()
    model = build_model(policy, 0).SerializeToString()
    session = onnxruntime.InferenceSession(model)
    g = np.random.default_rng(0)
    observation = g.standard_normal((9, harness.O)).astype(np.float32)
    inputs = {"observation": observation, "noise": np.full((9, harness.A), 100.0)}
    inputs = {name: x.astype(np.float32) for name, x in inputs.items()}
    (action,) = session.run(None, inputs)
    # centre of [0, 2] and [2, 6], half ranges 1 and 2
    shift = math.tanh(100 * math.exp(-12))
    truth = np.broadcast_to([1 + shift, 4 + 2 * shift], (9, 2))
    np.testing.assert_allclose(action, truth, atol=1e-6)


@pytest.mark.parametrize("samples", [3, 11])
def test_too_few_or_many_samples_are_refused(samples: int):
    with pytest.raises(RefusedError, match=r"expected \[4, 10\]") as refused:
        make(samples=samples)
    assert refused.value.field == "train.cql.samples"


def test_learns_the_point():
    rates = {"actor_rate": 3e-3, "critic_rate": 3e-3, "weight": 0.1, "samples": N}
    assert point_return("cql", 150, **rates) > -0.4


def test_same_as_every_learner(tmp_path: Path):
    small = {"samples": N, "actor_rate": 1e-3, "lagrange": True, "max_target": True}
    harness.check_bootstrap("cql", **small, weight=0.0)  # proposals look at s' too
    harness.check_engine("cql", tmp_path, **small)
    harness.check_refusals("cql", "weight", -1.0)
