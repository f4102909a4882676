"""Batch-Exp3: its choices, and the length of a batch."""

from typing import Any

import numpy as np
import pytest

from tasks.learn.batch_exp3 import batch
from tests.learn.bandits import BanditTests, make, norms


class TestBatchExp3(BanditTests):
    name = "batch_exp3"

    def reference(self, system: Any, pull: Any, seed: int) -> list[int]:
        omega, theta, pushed, u = norms(system)
        largest = (theta + omega * pushed / (1 - system.rho)) * u
        length = batch(system.rho, self.steps)
        rounds = -(-self.steps // length)
        rate = min(1.0, np.sqrt(6 * np.log(6) / ((np.e - 1) * 2 * rounds / 3)))
        luck = np.random.default_rng([seed, 0, 1]).random(rounds)
        weights, arms = np.ones(6), []
        for draw in luck:
            chances = (1 - rate) * weights / weights.sum() + rate / 6
            arm = int((chances.cumsum() <= draw).sum())
            held = [pull(arm) for _ in range(min(length, self.steps - len(arms)))]
            arms += [arm] * len(held)
            gain = (np.mean(held) + 2 * largest) / (4 * largest)
            weights[arm] *= np.exp(rate / 6 * gain / chances[arm])
        return arms


def test_a_batch_is_as_long_as_the_last_epoch():
    """Of DynLin-UCB: E epochs make the steps, and E^-1 = rho^length."""
    # lengths 1, 2, 2, 3, 3, 3, 3: seven epochs in 17 steps, log2(7) = 2.8
    assert batch(0.5, 17) == 3
    assert batch(0.0, 1000) == 1
    assert batch(0.5, 1) == 1


def test_rewards_of_any_size_it_is_told_of_stay_numbers():
    learner = make("batch_exp3", seeds=(0,))
    learner.weights[0, 2] = 5e3
    learner.choose(0)
    assert np.isfinite(learner.chances).all()
    assert learner.chances.sum() == pytest.approx(1)
