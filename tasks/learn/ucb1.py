"""UCB1: each arm by itself, its mean and a bonus for having been pulled rarely.

Paper: Auer, Cesa-Bianchi, Fischer 2002, "Finite-time Analysis of the Multiarmed Bandit
Problem". Each arm once, then, n_k the pulls of arm k after t steps,

    argmax_k mean_k + 4 M sqrt(2 ln t / n_k)

where 4 M is the range of rewards that its rivals assume here, too (``batch_exp3.py``).
It sees nothing in the arms' vectors, and nothing of a hidden state.
"""

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np

from tasks.artifacts.params import Params
from tasks.learn.cores.bandits import Arms, Array, Bandit, best
from tasks.learn.cores.linear_bandit import Bounds
from tasks.worlds import World, require


@dataclass(frozen=True)
class UCB1Params(Params):
    """It has none; see params/learn/ucb1.yaml."""


class UCB1(Bandit[UCB1Params]):
    """Means of arms, all trials side by side."""

    needs = ("stream", "system")

    def __init__(
        self, params: UCB1Params, world: World, seeds: Any, steps: int
    ) -> None:
        super().__init__(params, world, seeds, steps)
        self.range = 4 * Bounds.of(require(world, "system")).reward
        self.pulls = np.zeros((len(self.seeds), self.arms))
        self.sums = np.zeros_like(self.pulls)

    def choose(self, step: int) -> Arms:
        """Each once, then the one of the highest bound."""
        if step < self.arms:
            return np.full(len(self.seeds), step)
        bonus = self.range * sqrt(2 * log(step)) / np.sqrt(self.pulls)
        return best(self.values() + bonus)

    def see(self, arm: Arms, rewards: Array) -> None:
        """Count."""
        rows = np.arange(len(arm))
        self.pulls[rows, arm] += 1
        self.sums[rows, arm] += rewards[:, 0]

    def values(self) -> Array:
        """Mean rewards, (S, K)."""
        means: Array = self.sums / self.pulls
        return means
