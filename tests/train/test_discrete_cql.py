"""Discrete CQL: its equations, the reference implementation's numbers, and use."""

import math
from pathlib import Path

import pytest
import torch

from tasks.train.engine.loop import train
from tests.learn.test_dqn import double_q, huber, moved

from . import harness
from .choose import choices, walk, walk_return

DATA = choices()


@pytest.mark.parametrize("k", [0, 1])
def test_a_step_is_the_equations(k: int):
    learner = moved(harness.make("discrete_cql", data=DATA, alpha=0.7))
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, k, batch)
    learner.update(batch, 0)
    y = double_q(ref, batch, k, 0.99)
    every = ref.net("q", ref.o)
    q = (every * ref.a).sum(1)
    allowed = batch.columns["legal"][k].double()
    gap = ((every.exp() * allowed).sum(1).log() - q).mean()
    ref.step(("q.",), huber(q - y) + 0.7 * gap, 3e-4)
    ref.check()


def test_losses_by_hand():
    """Q is (0, ln 3, ln 5, 9), the last forbidden; target 0 everywhere."""
    one = harness.make("discrete_cql", seeds=(0,), data=DATA, critic_hidden=[])
    harness.constant(one.q.layers, [0.0, math.log(3), math.log(5), 9.0])
    harness.constant(one.target.layers, [0.0, 0.0, 0.0, 0.0])
    batch = harness.two_rows([[1.0, 0, 0, 0], [0.0, 1, 0, 0]])
    mask = torch.tensor([[[1.0, 1, 1, 0], [1.0, 1, 1, 0]]])
    batch.columns = {"legal": mask, "next_legal": mask}
    metrics = one.update(batch, 0)
    td = (0.5 + 0.5 * (math.log(3) - 1) ** 2) / 2  # rewards are 1
    gap = (math.log(9) + math.log(9) - math.log(3)) / 2
    torch.testing.assert_close(metrics["critic_loss"], torch.tensor([td]))
    torch.testing.assert_close(metrics["gap"], torch.tensor([gap]))


def test_without_a_mask_all_actions_count():
    learner = harness.make("discrete_cql", data=choices(masked=False))
    assert learner.columns == ()
    batch = harness.random_batch(learner)
    ref = harness.Reference(learner, 0, batch)
    gap = learner.update(batch, 0)["gap"][0]
    q = ref.net("q", ref.o)
    expected = (q.logsumexp(1) - (q * ref.a).sum(1)).mean()
    torch.testing.assert_close(gap.double(), expected.detach(), atol=1e-5, rtol=0)


def test_it_keeps_what_was_not_logged_low():
    """One action is never logged: its Q ends below the logged ones' where alpha > 0."""
    data = walk(masked=False)
    data.action[data.action[:, 1] == 1] = [1, 0, 0]  # staying is never logged
    ends = []
    for alpha in (0.0, 1.0):
        learner = harness.make(
            "discrete_cql", (0,), 200, data, alpha=alpha, critic_rate=1e-2
        )
        train(learner, data, 200, batch=64)
        x = torch.linspace(-1, 1, 50)[None, :, None]
        with torch.no_grad():
            q = learner.policy().logits(x)
        ends.append(float((q[..., 1] - q[..., ::2].amax(-1)).mean()))
    assert ends[1] < -1
    assert ends[1] < ends[0] - 1


def test_truncation_bootstraps_and_termination_does_not():
    harness.check_bootstrap("discrete_cql", data=DATA)


def test_a_seed_alone_is_the_seed_in_a_stack():
    harness.check_seed_alone("discrete_cql", data=DATA, critic_rate=0.01)


def test_it_resumes_bit_equal(tmp_path: Path):
    harness.check_resume("discrete_cql", tmp_path, data=DATA)


def test_it_learns_to_walk():
    assert walk_return("discrete_cql", critic_rate=1e-2, target_every=20) > -0.4


def test_bad_parameters_are_refused():
    harness.check_refusals("discrete_cql", "alpha", -0.1, data=DATA)
