"""ReBRAC: its equations, the next actions it needs, and that it beats BC."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.train.engine.minibatches import Sampler
from tasks.train.engine.table import pack
from tasks.train.rebrac import ReBRAC, ReBRACParams

from . import harness
from .point import point_return

PLAIN = ReBRACParams((), (), 0.99, 0.005, 1e-3, 0.0, 0.2, 0.5, 2, 0.1, 0.5, "none")


@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize("step", [0, 1])
def test_a_step_is_the_equations(k: int, step: int):
    learner = harness.make("rebrac", actor_penalty=0.3, critic_penalty=0.2)
    with torch.no_grad():  # targets that differ, norms that do something
        for target in (learner.target_actor, learner.target_critics):
            for parameter in target.parameters():
                parameter.mul_(1.3)
        for norm in learner.critics.net.norms:
            norm.weight.add_(torch.linspace(-0.5, 0.5, norm.weight.shape[-1]))
            norm.bias.add_(0.2)
        learner.critics.net.layers[-1].weight.mul_(9)  # neither is always the smaller
    batch = harness.random_batch(learner)
    batch.noise["target"].mul_(3)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, step)

    noise = (0.2 * ref.noise["target"]).clamp(-0.5, 0.5)
    a2 = (torch.tanh(ref.net("target_actor", ref.o2)) + noise).clamp(-1, 1)
    q1, q2 = ref.q("target_critics", ref.o2, a2, "after")
    away = ((a2 - ref.columns["next_action"]) ** 2).sum(1)
    y = ref.r + 0.99 * (1 - ref.d) * (torch.minimum(q1, q2) - 0.2 * away)
    y = y.detach()
    q1, q2 = ref.q("critics", ref.o, ref.a, "after")
    loss = ((q1 - y) ** 2).mean() + ((q2 - y) ** 2).mean()
    ref.step(("critics",), loss, 1e-3)
    if step == 1:
        pi = torch.tanh(ref.net("actor", ref.o))
        q1, q2 = ref.q("critics", ref.o, pi, "after")
        assert (q1 < q2).any()
        assert (q1 > q2).any()
        q = torch.minimum(q1, q2)
        away = ((pi - ref.a) ** 2).sum(1)
        loss = (0.3 * away - q / q.abs().mean().detach()).mean()
        ref.step(("actor",), loss, 1e-3)
        ref.polyak("target_critics", "critics", 0.005)
        ref.polyak("target_actor", "actor", 0.005)
    ref.check()


def test_losses_by_hand():
    learner = ReBRAC(PLAIN, harness.unit_spaces(), (0,), 1)
    harness.constant(learner.target_actor, [0.0, 0.0])
    harness.constant(learner.target_critics, [3.0], [2.0])
    harness.constant(learner.critics, [2.0], [3.0])
    harness.constant(learner.actor, [0.0, 0.0])
    zeros = [[0.0, 0.0], [0.0, 0.0]]
    batch = harness.two_rows([[0.5, 0], [0, -1]], target=zeros)
    batch.columns = {"next_action": torch.tensor([[[1.0, -1.0], [0.0, 1.0]]])}
    found = learner.update(batch, 1)
    # y = 1 + 0.99 * (2 - 0.5 * 2) and 1; Q_1 = 2, Q_2 = 3
    first, second = (0.01**2 + 1**2) / 2, (1.01**2 + 2**2) / 2
    assert found["critic_loss"].item() == pytest.approx(first + second, rel=1e-5)
    # lambda Q = 1 whatever Q > 0 is; the errors are summed over the actions
    assert found["actor_loss"].item() == pytest.approx(0.1 * 1.25 / 2 - 1, rel=1e-5)


def test_the_next_action_is_the_logged_one():
    data = harness.transitions(9, episode=np.array([0, 0, 0, 0, 1, 1, 2, 2, 2]))
    data.terminated = np.array([0, 0, 0, 1, 0, 0, 0, 0, 1], np.float32)
    learner = harness.make("rebrac", data=data)
    # the last row of the second episode was truncated: nothing was logged after it
    assert learner.rows(data).tolist() == [0, 1, 2, 3, 4, 6, 7, 8]
    batch = Sampler(pack(learner, data), learner, 256)(0)
    scaled = torch.from_numpy(((data.action - [1, 4]) / [1, 2]).astype(np.float32))
    rows = set()
    for o, d, after in zip(
        batch.observation.flatten(0, 1),
        batch.terminated.flatten(),
        batch.columns["next_action"].flatten(0, 1),
        strict=True,
    ):
        row = int((torch.from_numpy(data.observation) - o).abs().sum(1).argmin())
        rows.add(row)
        truth = torch.zeros(2) if d else scaled[row + 1]
        torch.testing.assert_close(after, truth)
    assert rows == {0, 1, 2, 3, 4, 6, 7, 8}


def test_a_terminated_row_does_not_read_its_next_action():
    losses = []
    for after in (0.0, 1.0):
        learner = harness.make("rebrac", critic_penalty=0.5)
        batch = harness.random_batch(learner)
        batch.terminated.fill_(1.0)
        batch.columns["next_action"].fill_(after)
        losses.append(learner.update(batch, 0)["critic_loss"])
    assert torch.equal(*losses)


def test_data_without_next_actions_are_refused():
    data = harness.transitions(4, episode=np.arange(4), terminated=np.zeros(4))
    with pytest.raises(RefusedError, match=r"log longer episodes, or train td3_bc"):
        pack(harness.make("rebrac", data=data), data)


def test_learns_from_continuous_actions_alone():
    assert ReBRAC.actions == ("continuous",)


def test_beats_bc():  # which stays below -0.6, see test_iql.py
    options = {"actor_rate": 3e-3, "critic_rate": 3e-3, "actor_penalty": 0.05}
    assert point_return("rebrac", 200, **options) > -0.3


def test_same_as_every_learner(tmp_path: Path):
    harness.check_bootstrap("rebrac")
    harness.check_engine("rebrac", tmp_path)
    harness.check_exports("rebrac")
    harness.check_refusals("rebrac", "actor_penalty", -0.1)
    harness.check_refusals("rebrac", "policy_delay", 0)
