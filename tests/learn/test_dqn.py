"""DQN: its equations, its exploration, its target, and that it learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.train import Batch, Learner
from tests.train import harness
from tests.train.choose import C, choices, walk_return

DATA = choices()


def huber(error: Tensor) -> Tensor:
    small = error.abs() < 1
    return torch.where(small, 0.5 * error**2, error.abs() - 0.5).mean()


def moved(learner: Learner) -> Any:
    """Targets that differ from the network."""
    with torch.no_grad():
        for parameter in learner.target.parameters():
            parameter.mul_(1.3).add_(0.1)
    return learner


def double_q(ref: harness.Reference, batch: Batch, k: int, discount: float) -> Tensor:
    """The target, row by row, in words of numbers."""
    own, other = ref.net("q", ref.o2).detach(), ref.net("target", ref.o2).detach()
    legal = batch.columns["next_legal"][k]
    rows = []
    for i in range(len(ref.r)):
        allowed = [a for a in range(C) if legal[i, a] == 1]
        best = max(allowed, key=lambda a, i=i: float(own[i, a]))
        rows.append(ref.r[i] + discount * (1 - ref.d[i]) * other[i, best])
    return torch.stack(rows)


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equations(k: int):
    learner = moved(harness.make("dqn", data=DATA))
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)
    y = double_q(ref, batch, k, 0.99)
    q = (ref.net("q", ref.o) * ref.a).sum(1)
    assert (q - y).abs().max() > 1  # both branches of Huber's loss are met
    assert (q - y).abs().min() < 1
    ref.step(("q.",), huber(q - y), 1e-3)
    ref.check()


def test_losses_by_hand():
    """Q is (1, 5, 3, 0), its target (10, 20, 30, 40); action 1 is forbidden next."""
    one = harness.make("dqn", seeds=(0,), data=DATA, critic_hidden=[], discount=0.5)
    harness.constant(one.q.layers, [1.0, 5.0, 3.0, 0.0])
    harness.constant(one.target.layers, [10.0, 20.0, 30.0, 40.0])
    batch = harness.two_rows([[0.0, 0, 0, 1], [1.0, 0, 0, 0]])
    batch.columns = {"next_legal": torch.tensor([[[1.0, 0, 1, 1], [1.0, 0, 1, 1]]])}
    loss = one.update(batch, 0)["critic_loss"]
    # y = 1 + 0.5 * 30 = 16 against 0, and 1 against 1
    torch.testing.assert_close(loss, torch.tensor([(16 - 0.5 + 0) / 2]))


def test_the_target_is_copied_in_time():
    learner = moved(harness.make("dqn", data=DATA, target_every=3))
    batch = harness.random_batch(learner)

    def same() -> bool:
        pairs = zip(learner.q.parameters(), learner.target.parameters(), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)

    found = []
    for step in range(6):
        learner.update(batch, step)
        found.append(same())
    assert found == [False, False, True, False, False, True]


def test_epsilon_falls_linearly():
    learner = harness.make("dqn", updates=1000, data=DATA)
    shares = [learner.epsilon(step) for step in (0, 150, 300, 999)]
    np.testing.assert_allclose(shares, [1.0, 0.525, 0.05, 0.05])


def test_truncation_bootstraps_and_termination_does_not():
    harness.check_bootstrap("dqn", data=DATA)


def test_a_seed_alone_is_the_seed_in_a_stack():
    harness.check_seed_alone("dqn", data=DATA, critic_rate=0.01)


def test_it_resumes_bit_equal(tmp_path: Path):
    harness.check_resume("dqn", tmp_path, data=DATA)


def test_it_learns_to_walk():
    assert walk_return("dqn", critic_rate=1e-2, target_every=20) > -0.3


def test_bad_parameters_are_refused():
    harness.check_refusals("dqn", "target_every", 0, data=DATA)
    with pytest.raises(RefusedError, match="epsilon_end"):
        harness.make("dqn", data=DATA, epsilon_end=1.5)
