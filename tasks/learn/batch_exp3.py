"""Batch-Exp3: Exp3 that holds each arm for a batch of steps.

Papers: Auer, Cesa-Bianchi, Freund, Schapire 2002, "The Nonstochastic Multiarmed Bandit
Problem" (Exp3); Arora, Dekel, Tewari 2012 (arXiv 1206.6400), batches for adversaries
with a memory; with the constants of Mussi, Metelli, Restelli 2023 (ICML 2023, PMLR
202:25563), whose baseline it is. Over batches n = 1 ... N, x the batch's mean reward:

    p_k = (1 - g) w_k / sum w + g / K,  g = min(1, sqrt(K ln K / ((e - 1) 2 N / 3)))
    w_k <- w_k exp(g / K (x + 2 M) / (4 M) / p_k)  of the arm k that was held

M bounds the steady-state reward. A batch has ceil(ln E / ln(1 / rho)) steps, E the
epochs that DynLin-UCB would have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from math import ceil, e, log, sqrt
from typing import Any

import numpy as np

from tasks.artifacts.params import Params
from tasks.learn.cores.bandits import Arms, Array, Bandit
from tasks.learn.cores.linear_bandit import Bounds, epochs
from tasks.worlds import World, require


@dataclass(frozen=True)
class BatchExp3Params(Params):
    """It has none; see params/learn/batch_exp3.yaml."""


class BatchExp3(Bandit[BatchExp3Params]):
    """Exponential weights over arms, all trials side by side."""

    needs = ("stream", "system")

    def __init__(
        self, params: BatchExp3Params, world: World, seeds: Any, steps: int
    ) -> None:
        super().__init__(params, world, seeds, steps)
        bounds = Bounds.of(require(world, "system"))
        self.largest = bounds.reward  # M
        self.batch = batch(bounds.rho, steps)
        rounds = ceil(steps / self.batch)
        k = self.arms
        self.rate = min(1.0, sqrt(k * log(k) / ((e - 1) * 2 * rounds / 3)))
        self.weights = np.zeros((len(self.seeds), k))  # their logarithms
        self.luck = np.stack([draw.random(rounds) for draw in self.draws])  # (S, N)
        self.round = 0
        self.chances: Array = np.zeros(0)  # (S, K), p

    def lengths(self) -> Iterator[int]:
        """The same for every batch."""
        return repeat(self.batch)

    def choose(self, step: int) -> Arms:
        """An arm by its chances."""
        del step
        weights = np.exp(self.weights - self.weights.max(1, keepdims=True))
        share = weights / weights.sum(1, keepdims=True)
        self.chances = (1 - self.rate) * share + self.rate / self.arms
        sums = self.chances.cumsum(1)
        at = self.luck[:, self.round, None] * sums[:, -1:]
        self.round += 1
        return (sums <= at).sum(1)

    def see(self, arm: Arms, rewards: Array) -> None:
        """Raise the weight of the arm that was held."""
        rows = np.arange(len(arm))
        x = (rewards.mean(1) + 2 * self.largest) / (4 * self.largest)
        self.weights[rows, arm] += self.rate / self.arms * x / self.chances[rows, arm]

    def values(self) -> Array:
        """Logarithms of the weights, (S, K)."""
        return self.weights


def batch(rho: float, steps: int) -> int:
    """Steps of a batch."""
    if rho <= 1e-9:
        return 1
    done = number = 0
    for length in epochs(rho):
        if done >= steps:
            break
        done, number = done + length, number + 1
    return max(1, ceil(log(max(number, 1)) / log(1 / rho)))
