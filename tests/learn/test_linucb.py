"""LinUCB: its choices, and what it shares with DynLin-UCB."""

from typing import Any

import numpy as np
import pytest

from tests.learn.bandits import BanditTests, make, width
from tests.worlds.harness import load


class TestLinUCB(BanditTests):
    name = "linucb"

    def reference(self, system: Any, pull: Any, seed: int) -> list[int]:
        steps, ridge = self.steps, np.log(self.steps)
        v, b, arms = ridge * np.eye(3), np.zeros(3), []
        for t in range(steps):
            inverse = np.linalg.inv(v)
            beta = width(system, t, steps, ridge, False, system.rho)
            bounds = [
                u @ inverse @ b + beta * np.sqrt(u @ inverse @ u) for u in system.arms
            ]
            arm = int(np.argmax(bounds))
            if t == 0:
                arm = int(np.random.default_rng([seed, 0, 1]).integers(6))
            u = system.arms[arm]
            v, b = v + np.outer(u, u), b + u * pull(arm)
            arms.append(arm)
        return arms


def test_its_confidence_is_dynlin_ucbs_without_what_pays_for_settling():
    system = load("dynamical_linear_bandit").system
    both = [make(name, 1000) for name in ("linucb", "dynlin_ucb")]
    for t in (1, 10, 999):
        plain, settled = (learner.beta(t) for learner in both)
        rho, ridge = system.rho, np.log(1000)
        assert plain == pytest.approx(width(system, t, 1000, ridge, False, rho))
        assert settled == pytest.approx(width(system, t, 1000, ridge, True, rho))
        assert settled > plain > 0
