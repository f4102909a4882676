"""TD3+BC: its equations, their order, and that it beats BC."""

from pathlib import Path

import pytest
import torch

from tasks.train.td3_bc import TD3BC, TD3BCParams

from . import harness
from .point import point_return

PLAIN = TD3BCParams((), (), 0.99, 0.005, 3e-4, 3e-4, 0.2, 0.5, 2, alpha=2.5)


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("step", [0, 1])
def test_a_step_is_the_equations(k: int, step: int):
    learner = harness.make("td3_bc")
    with torch.no_grad():  # targets that differ, and noise that reaches both clips
        for target in (learner.target_actor, learner.target_critics):
            for parameter in target.parameters():
                parameter.mul_(1.3)
        learner.critics.net.layers[-1].weight.mul_(9)  # neither is always the smaller
    batch = harness.random_batch(learner)
    batch.noise["target"].mul_(3)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, step)

    noise = (0.2 * ref.noise["target"]).clamp(-0.5, 0.5)
    a2 = (torch.tanh(ref.net("target_actor", ref.o2)) + noise).clamp(-1, 1)
    q1, q2 = ref.q("target_critics", ref.o2, a2)
    y = (ref.r + 0.99 * (1 - ref.d) * torch.minimum(q1, q2)).detach()
    q1, q2 = ref.q("critics", ref.o, ref.a)
    loss = ((q1 - y) ** 2).mean() + ((q2 - y) ** 2).mean()
    ref.step(("critics",), loss, 3e-4)
    if step == 1:
        pi = torch.tanh(ref.net("actor", ref.o))
        q = ref.q("critics", ref.o, pi)[0]
        lam = 2.5 / q.abs().mean().detach()
        loss = -lam * q.mean() + ((pi - ref.a) ** 2).mean()
        ref.step(("actor",), loss, 3e-4)
        ref.polyak("target_critics", "critics", 0.005)
        ref.polyak("target_actor", "actor", 0.005)
    ref.check()


def test_losses_by_hand():
    learner = TD3BC(PLAIN, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.target_actor, [0.0, 0.0])
    harness.constant(learner.target_critics, [3.0], [2.0])
    harness.constant(learner.critics, [2.0], [3.0])
    harness.constant(learner.actor, [0.0, 0.0])
    zeros = [[0.0, 0.0], [0.0, 0.0]]
    found = learner.update(harness.two_rows([[0.5, 0], [0, -1]], target=zeros), 1)
    # y = 1 + 0.99 * 2 and 1; Q_1 = 2, Q_2 = 3
    first, second = (0.98**2 + 1**2) / 2, (0.02**2 + 2**2) / 2
    assert found["critic_loss"].item() == pytest.approx(first + second, rel=1e-6)
    # lambda Q_1 = 2.5 whatever Q_1 > 0 is; the errors' mean over four numbers
    assert found["actor_loss"].item() == pytest.approx(1.25 / 4 - 2.5, rel=1e-6)


def test_lambda_is_detached():
    learner = TD3BC(PLAIN, harness.unit_spaces(), (0,), 1)
    with torch.no_grad():  # Q_1 > 0 everywhere: undetached, lambda Q_1 is constant
        for layer in learner.critics.net.layers:
            layer.bias.add_(100)
    batch = harness.random_batch(learner)
    with torch.no_grad():  # and the leash does not pull
        batch.action = learner.actor.squashed(batch.observation)
    learner.update(batch, 1)
    assert max(p.grad.abs().max() for p in learner.actor.parameters()) > 1e-4


def test_actor_waits_for_its_turn():
    learner = harness.make("td3_bc", policy_delay=3)
    moved = []
    for step in range(6):
        before = [
            learner.actor.layers[0].weight.clone(),
            learner.target_actor.layers[0].weight.clone(),
            learner.target_critics.net.layers[0].weight.clone(),
        ]
        learner.update(harness.random_batch(learner), step)
        after = [
            learner.actor.layers[0].weight,
            learner.target_actor.layers[0].weight,
            learner.target_critics.net.layers[0].weight,
        ]
        moved.append(
            [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        )
    assert moved == [[i in {2, 5}] * 3 for i in range(6)]


def test_beats_bc():
    assert point_return("td3_bc", actor_rate=3e-3, critic_rate=3e-3) > -0.3
    assert point_return("bc", actor_rate=3e-3) < -0.6


def test_same_as_every_learner(tmp_path: Path):
    harness.check_bootstrap("td3_bc")
    harness.check_engine("td3_bc", tmp_path)
    harness.check_refusals("td3_bc", "discount", 1.01)
