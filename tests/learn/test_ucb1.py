"""UCB1: its choices."""

from typing import Any

import numpy as np

from tests.learn.bandits import BanditTests, norms


class TestUCB1(BanditTests):
    name = "ucb1"

    def reference(self, system: Any, pull: Any, seed: int) -> list[int]:
        del seed  # nothing is drawn
        omega, theta, pushed, u = norms(system)
        largest = (theta + omega * pushed / (1 - system.rho)) * u
        rewards: list[list[float]] = [[] for _ in range(6)]
        arms = []
        for t in range(self.steps):
            arm = t
            if t >= 6:
                bounds = [
                    np.mean(x) + 4 * largest * np.sqrt(2 * np.log(t) / len(x))
                    for x in rewards
                ]
                arm = int(np.argmax(bounds))
            rewards[arm].append(pull(arm))
            arms.append(arm)
        return arms
