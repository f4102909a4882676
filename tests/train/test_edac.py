"""EDAC: its equations, and what the similarity of action gradients is and does."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.train.cores.actor_critic import Critics
from tasks.train.edac import action_gradients, similarity

from . import harness
from .point import point_return
from .soft import lively
from .test_sac_n import improve, target


def pairwise(ref: harness.Reference) -> torch.Tensor:
    """The term as the paper writes it: double backward, then every pair."""
    g = []
    for e in range(4):
        a = ref.a.clone().requires_grad_()
        q = ref.q("critics", ref.o, a)[e]
        (slope,) = torch.autograd.grad(q.sum(), a, create_graph=True)
        g.append(slope / slope.norm(dim=1, keepdim=True))
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    return sum((g[i] * g[j]).sum(1).mean() for i, j in pairs) / 3


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equations(k: int):
    learner = lively(harness.make("edac", members=4, eta=5.0))
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)

    y = target(ref, improve(ref))
    loss = sum(((q - y) ** 2).mean() for q in ref.q("critics", ref.o, ref.a))
    ref.step(("critics",), loss + 5 * pairwise(ref), 3e-4)
    ref.polyak("target", "critics", 0.005)
    ref.check()


@pytest.mark.parametrize("hidden", [(), (8,), (8, 7, 6)])
def test_action_gradients_are_the_gradients(hidden: tuple[int, ...]):
    critics = Critics(harness.unit_spaces(), (0, 1), hidden, 3)
    g = torch.Generator().manual_seed(0)
    o, a = (torch.randn(2, 20, n, generator=g) for n in (harness.O, harness.A))
    a.requires_grad_()
    q, found = action_gradients(critics, o, a.detach())
    plain = critics(o, a)
    torch.testing.assert_close(q, plain)
    for e in range(3):
        (truth,) = torch.autograd.grad(plain[:, e].sum(), a, retain_graph=True)
        torch.testing.assert_close(found[:, e], truth)


def crossed(learner: Any) -> None:
    """Critic 1 looks at the first action alone, critic 2 at the second."""
    with torch.no_grad():
        first = learner.critics.net.layers[0].weight  # (S*2, O+A, H)
        first[0::2, -1] = 0
        first[1::2, -2] = 0


def test_orthogonal_gradients_cost_nothing():
    learner = lively(harness.make("edac", members=2))
    batch = harness.random_batch(learner)
    _, g = action_gradients(learner.critics, batch.observation, batch.action)
    assert (similarity(g).abs() > 1e-2).all()
    crossed(learner)
    _, g = action_gradients(learner.critics, batch.observation, batch.action)
    assert (g.abs().sum((2, 3)) > 0).all()
    assert torch.equal(similarity(g), torch.zeros(2))


def test_similarity_by_hand():
    # two rows; gradients of length 2 and 3, then of length 1
    g = torch.tensor([[[[2.0, 0], [1, 0]], [[0, 3], [0.6, 0.8]]]])  # (1, E=2, B=2, 2)
    # row 1: 0; row 2: <g1, g2> + <g2, g1> = 1.2
    assert similarity(g).item() == pytest.approx(0.6, rel=1e-6)
    same = torch.ones(1, 5, 3, 2)
    assert similarity(same).item() == pytest.approx(5, rel=1e-6)
    opposite = torch.tensor([[[[1.0, 0]], [[-1, 0]]]])
    assert similarity(opposite).item() == pytest.approx(-2, rel=1e-6)


def test_the_term_reaches_the_critics():
    learner = lively(harness.make("edac", members=4))
    batch = harness.random_batch(learner)
    weights = [layer.weight for layer in learner.critics.net.layers]
    values = []
    for _ in range(60):
        _, g = action_gradients(learner.critics, batch.observation, batch.action)
        values.append(similarity(g))
        gradients = torch.autograd.grad(values[-1].sum(), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                assert gradient.flatten(1).any(1).all()
                weight.sub_(0.05 * gradient)
    assert (values[-1] < values[0] - 0.05).all()


def test_without_eta_it_is_sac_n():
    ends = []
    for name, options in (("edac", {"eta": 0.0}), ("sac_n", {})):
        learner = harness.make(name, members=3, **options)
        batch = harness.random_batch(learner)
        for step in range(3):
            learner.update(batch, step)
        ends.append(list(learner.parameters()))
    for mine, other in zip(*ends, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=0)


def test_learns_the_point():
    rates = {"actor_rate": 3e-3, "critic_rate": 3e-3}
    assert point_return("edac", 150, members=3, **rates) > -0.4


def test_same_as_every_learner(tmp_path: Path):
    small = {"members": 3, "actor_rate": 1e-3}
    harness.check_bootstrap("edac", **small)
    harness.check_engine("edac", tmp_path, **small)
    harness.check_refusals("edac", "eta", -0.5)
