"""DynLin-UCB: its choices, its epochs, and what a wrong bound does."""

from itertools import islice
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.learn.cores.linear_bandit import epochs
from tests.learn.bandits import BanditTests, make, quiet, width
from tests.worlds.harness import load


class TestDynLinUCB(BanditTests):
    name = "dynlin_ucb"

    def reference(self, system: Any, pull: Any, seed: int) -> list[int]:
        steps, ridge, rho = self.steps, np.log(self.steps), system.rho
        v, b, arms, m = ridge * np.eye(3), np.zeros(3), [], 0
        while len(arms) < steps:
            m += 1
            length = 1 + int(np.floor(np.log(m) / np.log(1 / rho)))
            if m == 1:
                arm = int(np.random.default_rng([seed, 0, 1]).integers(6))
            else:
                inverse = np.linalg.inv(v)
                beta = width(system, len(arms), steps, ridge, True, rho)
                bounds = [
                    u @ inverse @ b + beta * np.sqrt(u @ inverse @ u)
                    for u in system.arms
                ]
                arm = int(np.argmax(bounds))
            for _ in range(min(length, steps - len(arms))):
                y = pull(arm)
                arms.append(arm)
            u = system.arms[arm]
            v, b = v + np.outer(u, u), b + u * y
        return arms


def test_epochs_grow_with_the_logarithm():
    lengths = list(islice(epochs(0.5), 16))
    assert lengths == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]
    assert list(islice(epochs(0.0), 5)) == [1] * 5


def test_only_the_last_reward_of_an_epoch_is_learned_from():
    learner = make("dynlin_ucb", seeds=(0,))
    rewards = np.array([[9.0, 9.0, 0.25]])
    learner.see(np.array([0]), rewards)
    np.testing.assert_allclose(learner.b[0], 0.25 * learner.vectors[0])


def test_the_ridge_is_in_units_of_the_log_of_the_steps():
    assert make("dynlin_ucb", 1000).ridge == pytest.approx(np.log(1000))
    assert make("dynlin_ucb", 1000, ridge=0.5).ridge == pytest.approx(np.log(1000) / 2)
    with pytest.raises(RefusedError, match="ridge: found 0.0"):
        make("dynlin_ucb", ridge=0.0)


def test_a_radius_that_holds_for_nothing_is_refused_unless_it_shall_be_seen():
    with pytest.raises(RefusedError, match=r"rho: found 0.3, expected at least the wo"):
        make("dynlin_ucb", rho=0.3)
    for rho in (0.3, 0.9):
        learner = make("dynlin_ucb", rho=rho, wrong_rho=True)
        assert next(islice(learner.lengths(), 99, None)) == 1 + int(
            np.log(100) / np.log(1 / rho)
        )
    for rho in (0.0, 1.0):
        with pytest.raises(RefusedError, match="rho: found"):
            make("dynlin_ucb", rho=rho)


def test_without_a_hidden_state_it_chooses_at_every_step():
    """And finds the best arm."""
    direct = [0.25, -0.04, 0.11, 0, 0, 0, 0, 0, 0]
    nothing = {k: [0.0] * 9 for k in ("transition", "control", "readout")}
    world = load("dynamical_linear_bandit", **nothing, direct=direct)
    learner = make("dynlin_ucb", 3000, world=world)
    assert list(islice(learner.lengths(), 4)) == [1] * 4
    trials = learner.learn(quiet)
    assert trials.values[:, 0].argmax(1).tolist() == [1, 1]


def test_it_beats_linucb_where_the_state_is_hidden():
    """After 6,000 steps; the study's claim asks it of 300,000."""
    ours = make("dynlin_ucb", 6000).learn(quiet).curves["regret"][-1]
    theirs = make("linucb", 6000).learn(quiet).curves["regret"][-1]
    assert (ours < 0.75 * theirs).all()
