"""BC: its one equation, and that it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.train.bc import BC, BCParams
from tasks.train.engine.loop import train

from . import harness


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equation(k: int):
    learner = harness.make("bc")
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)

    pi = torch.tanh(ref.net("actor", ref.o))
    loss = ((pi - ref.a) ** 2).sum(1).mean()
    ref.step(("actor",), loss, 3e-4)
    ref.check()


def test_loss_by_hand():
    learner = BC(BCParams((), 3e-4), harness.unit_spaces(), (0,), 1)
    harness.constant(learner.actor, [0.0, 0.0])
    loss = learner.update(harness.two_rows([[0.5, 0], [0, -1]]), 0)["actor_loss"]
    assert loss.tolist() == [(0.25 + 1) / 2]


def test_learns_a_linear_policy():
    data = harness.transitions(1000)
    x = (data.observation - 1) / 2
    squashed = np.tanh(x[:, :2] - x[:, 1:])
    data.action = (data.action_low + (squashed + 1) / 2 * [2, 4]).astype(np.float32)
    learner = harness.make("bc", (0,), actor_hidden=[32], actor_rate=0.01)
    curves = train(learner, data, 400, batch=64)
    assert curves.rows[0][2] > 0.3
    assert curves.rows[-1][2] < 0.01
    with torch.no_grad():
        action = learner.policy()(torch.from_numpy(data.observation)[None])[0]
    assert np.abs(action.numpy() - data.action).mean() < 0.1


def test_same_as_every_learner(tmp_path: Path):
    harness.check_engine("bc", tmp_path)
    harness.check_refusals("bc", "actor_rate", 1.5)
