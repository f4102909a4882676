"""Measuring in discrete worlds."""

import numpy as np
import pytest

from tasks.behaviors.engine.measure import measure, random_return, visited
from tests.learn.online import dqn
from tests.worlds.harness import load


def test_measuring_is_greedy_and_legal():
    world = load("taxi", max_steps=30)
    policy = dqn(world, (0, 1)).policy()
    one, again = (measure(world, policy, 1, 4) for _ in range(2))
    assert np.array_equal(one.returns, again.returns)
    assert (one.returns >= -30 - 9 * 30).all()
    assert visited(world, policy, 0, 50).shape == (50, 19)


def test_the_random_policy_keeps_to_the_mask():
    """No pick-up where nobody waits: without the mask a third of the steps cost 10."""
    played = random_return(load("taxi", max_steps=100), 10)
    assert played.returns.mean() > -130
    assert random_return(load("cartpole"), 20).returns.mean() == pytest.approx(
        22, abs=6
    )
