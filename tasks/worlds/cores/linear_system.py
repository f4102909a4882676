"""A linear system that arms push, as numbers: its step, its noise, its steady state.

The equations stand in ``dynamical_linear_bandit.py``.

Shapes: n states, d numbers of an arm, p channels, K arms, N copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import comb, floor, isqrt
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS, Range
from tasks.worlds import Actions, WorldParams
from tasks.worlds.cores.exact import check_solvable

BLOCK = 1024  # steps whose noise is drawn at once
POWERS = 100  # of A that are looked at
MOST_ARMS = 10_000
Array = NDArray[np.float64]


@dataclass(frozen=True)
class SystemParams(WorldParams):
    """Matrices row by row, the arms' budget and the noise's deviation."""

    transition: Annotated[tuple[float, ...], Range(-1e3, 1e3)]
    control: Annotated[tuple[float, ...], Range(-1e3, 1e3)]
    readout: Annotated[tuple[float, ...], Range(-1e3, 1e3)]
    direct: Annotated[tuple[float, ...], Range(-1e3, 1e3)]
    budget: Annotated[float, Range(0, 100, open=True)]
    sigma: Annotated[float, Range(0, 1e3)]


class System:
    """The numbers of one system, and its step.

    Raises:
        RefusedError: If matrices do not fit each other, the system is not stable, or
            there is no arm or more than ten thousand.

    Attributes:
        arms: (K, d), sorted, largest first.
        effect: h, (d,).
        values: <h, u> of every arm, (K,).
        rho: Spectral radius of A.
        given: What each arm adds to the state and to the reward, (K, n + 1).
    """

    def __init__(self, params: SystemParams) -> None:
        n = isqrt(len(params.transition))
        d, p = (len(x) // max(n, 1) for x in (params.control, params.readout))
        sizes = {"transition": n * n, "control": n * d, "readout": n * p}
        for name, size in (sizes | {"direct": p * d}).items():
            if not size or len(getattr(params, name)) != size:
                found = f"{len(getattr(params, name))} numbers"
                expected = f"{size or 'some'}, for n = {n}, d = {d} and p = {p}"
                raise RefusedError(PARAMS, name, found, expected, MEND)
        self.A = np.array(params.transition).reshape(n, n)
        self.B = np.array(params.control).reshape(n, d)
        self.omega = np.array(params.readout).reshape(p, n).sum(0)
        self.theta = np.array(params.direct).reshape(p, d).sum(0)
        self.n, self.channels, self.sigma = n, p, params.sigma
        self.rho = float(np.abs(np.linalg.eigvals(self.A)).max())
        if not self.rho < 1:
            found = f"a spectral radius of {self.rho:.4g}"
            expected = "below 1, as the state would grow for ever"
            raise RefusedError(PARAMS, "transition", found, expected, MEND)
        self.arms = arms(params.name, params.budget, d)
        inverse = np.linalg.inv(np.eye(n) - self.A)
        self.effect = self.theta + self.B.T @ inverse.T @ self.omega
        self.values = self.arms @ self.effect
        self.both = np.vstack([self.A, self.omega])  # (n + 1, n), state and reward
        # what each arm adds to them, (K, n + 1)
        self.given = np.column_stack([self.arms @ self.B.T, self.arms @ self.theta])

    @property
    def phi(self) -> float:
        """The largest of ||A^t||_2 / rho^t, by which transients outgrow rho^t; >= 1.

        A system without memory has 1.
        """
        if self.rho < 1e-9:
            return 1.0
        power, largest = np.eye(self.n), 1.0
        for _ in range(POWERS):
            power = power @ self.A / self.rho  # of A / rho, or powers would vanish
            largest = max(largest, float(np.linalg.norm(power, 2)))
        return largest

    def noise(self, seed: int, block: int) -> Array:
        """Noise of a block of steps, by seed and block alone, (BLOCK, n + 1).

        Of each state, and last of the reward, the sum of its channels'.
        """
        drawn = np.random.default_rng([seed, block])
        each = self.sigma * drawn.standard_normal((BLOCK, self.n + self.channels))
        return np.column_stack([each[:, : self.n], each[:, self.n :].sum(1)])

    def step(self, x: Array, given: Array, noise: Array) -> tuple[Array, Array]:
        """One step of N copies.

        Args:
            x: (N, n).
            given: Rows of :attr:`given` of the arms that are pulled, (N, n + 1).
            noise: (N, n + 1), of :meth:`noise`.

        Returns:
            Rewards (N,), and the states after it, (N, n).
        """
        # not a matrix product, whose last bits may depend on the number of rows
        after = np.einsum("ni,ji->nj", x, self.both) + given + noise
        return after[:, -1], after[:, :-1]


def arms(world: str, budget: float, width: int) -> Array:
    """All orders of a budget that is spent greedily, at most 1 each, (K, width).

    Args:
        world: Its name, for errors.
        budget: Above 0.
        width: d, numbers of an arm.
    """
    whole = floor(budget)
    if budget > width:
        expected = f"at most {width}, 1 for each number of an arm"
        raise RefusedError(PARAMS, "budget", budget, expected, MEND)
    rest = budget - whole
    count = comb(width, whole) * (width - whole if rest else 1)
    check_solvable(world, "control", count, MOST_ARMS)
    places = permutations(range(width), whole + bool(rest))
    amounts = [1.0] * whole + [rest] * bool(rest)
    spent = {tuple(sorted(zip(at, amounts, strict=True))) for at in places}
    table = np.zeros((len(spent), width))
    for row, entries in zip(table, spent, strict=True):
        for at, amount in entries:
            row[at] = amount
    return table[np.lexsort(-table.T[::-1])]


class Stream:
    """Copies of a system that go on for ever, without episodes.

    Args:
        system: Which.
        seeds: N of them, of the noises; a copy's depends on its own alone.
    """

    def __init__(self, system: System, seeds: Sequence[int]) -> None:
        self.system, self.seeds, self.steps = system, tuple(seeds), 0
        self.x = np.zeros((len(self.seeds), system.n))
        self.noise: Array = np.zeros(0)  # (N, BLOCK, n + 1)

    def hold(self, arm: Actions, steps: int) -> Array:
        """Pull an arm of each copy (N,) for some steps; rewards (N, steps)."""
        rewards = np.empty((len(self.seeds), steps))
        given = self.system.given[arm]
        for i in range(steps):
            block, at = divmod(self.steps, BLOCK)
            if at == 0:
                drawn = [self.system.noise(seed, block) for seed in self.seeds]
                self.noise = np.stack(drawn)
            now = self.noise[:, at]
            rewards[:, i], self.x = self.system.step(self.x, given, now)
            self.steps += 1
        return rewards
