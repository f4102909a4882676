"""Exact distributions of returns: dynamic programming over steps, states and stocks.

Paper: Avila Pires et al. 2025, "Optimizing Return Distributions with Distributional
Dynamic Programming" (JMLR 26(185), arXiv 2501.13028). The stock is what was earned so
far on top of a start, c_{t+1} = c_t + r_{t+1} (a discount of 1), so an episode ends
with c_0 + G. For an objective E f(c_0 + G)

    U_T(s, c) = f(c),   U_t(s, c) = max_a E U_{t+1}(s', c + r)

gives the best policy of (t, s, c); its law follows forwards. Stocks are whole multiples
of the process's unit. Which start is best for a mean of the worst share tau,

    CVaR_tau(G) = max_c0  -c0 + E min(c0 + G, 0) / tau,

is a search over all starts (Rockafellar and Uryasev 2000, "Optimization of conditional
value-at-risk").

Shapes: T steps, S states, C stocks, A actions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.worlds.cores.exact import check_solvable
from tasks.worlds.cores.finite import Array, FiniteWorld, Process, Whole

MOST = 50_000_000  # numbers of the table that are held at once
Utility = Callable[[Array], Array]
Law = Mapping[float, float]  # the chance of each return


@dataclass(frozen=True)
class StockTable:
    """The best policy of one objective, for every start at once.

    Attributes:
        process: Of the world.
        stocks: All that are looked at, (C,), in units, rising by 1.
        actions: (T, S, C).
        utility: At step 0, (S, C).
    """

    process: Process
    stocks: Whole
    actions: Whole
    utility: Array

    def at(self, start: float) -> int:
        """The place of a start among the stocks; one outside is the nearest."""
        number = round(start / self.process.unit) - int(self.stocks[0])
        return min(max(number, 0), len(self.stocks) - 1)

    def law(self, start: float) -> Law:
        """The chance of each return where an episode begins with a stock."""
        chances = {(self.process.start, 0): 1.0}  # of state and units earned
        done: dict[int, float] = {}
        first = self.at(start)
        for t in range(self.process.horizon):
            later: dict[tuple[int, int], float] = {}
            for (s, earned), mass in chances.items():
                held = min(max(first + earned, 0), len(self.stocks) - 1)
                a = int(self.actions[t, s, held])
                for s2, gain, chance, over in outcomes(self.process, s, a):
                    total, share = earned + gain, mass * chance
                    if over or t + 1 == self.process.horizon:
                        done[total] = done.get(total, 0.0) + share
                    else:
                        key = s2, total
                        later[key] = later.get(key, 0.0) + share
            chances = later
        unit = self.process.unit
        return {units * unit: mass for units, mass in sorted(done.items())}


def outcomes(process: Process, s: int, a: int) -> list[tuple[int, int, float, bool]]:
    """State after, units earned, chance and whether it is over, of each outcome."""
    return [
        (
            int(process.after[s, a, k]),
            round(process.reward[s, a, k] / process.unit),
            float(process.chance[s, a, k]),
            bool(process.ends[s, a, k]),
        )
        for k in np.flatnonzero(process.chance[s, a])
    ]


def solve(world: FiniteWorld, utility: Utility) -> StockTable:
    """The best policy of (t, s, c) for E f(c_0 + G).

    Args:
        world: Whose.
        utility: f, of an array of stocks in units of the return.

    Raises:
        RefusedError: If the table would hold too many numbers.
    """
    process = world.process
    gains = np.rint(process.reward / process.unit).astype(np.int64)
    most = process.horizon * int(np.abs(gains[process.chance > 0]).max(initial=1))
    states, actions, _ = process.chance.shape
    reach = 2 * most  # starts lie in -most..most, and move by as much
    stocks = np.arange(-reach, reach + 1)
    count = (process.horizon * states + states * actions) * len(stocks)
    check_solvable(world.params.name, "max_steps", count, MOST)
    amounts = (stocks * process.unit).astype(np.float64)
    last = np.tile(utility(amounts), (states, 1))
    value, table = last, np.zeros((process.horizon, states, len(stocks)), np.int64)
    for t in reversed(range(process.horizon)):
        total = np.zeros((states, actions, len(stocks)))
        for s, a in np.ndindex(states, actions):
            for s2, gain, chance, over in outcomes(process, s, a):
                at = np.clip(np.arange(len(stocks)) + gain, 0, len(stocks) - 1)
                total[s, a] += chance * (last if over else value)[s2, at]
        # of equal ones the first, whatever the rounding of their sums
        best = total.max(1, keepdims=True)
        table[t] = (total >= best - 1e-9).argmax(1)
        value = best[:, 0]
    return StockTable(process, stocks, table, value)


def cvar(law: Law, share: float) -> float:
    """Mean of the worst share of returns, in (0, 1]."""
    left, total = share, 0.0
    for value, mass in sorted(law.items()):
        taken = min(mass, left)
        total, left = total + taken * value, left - taken
        if left <= 0:
            break
    return total / share


def mean(law: Law) -> float:
    """The expected return."""
    return sum(value * mass for value, mass in law.items())


def best_cvar(world: FiniteWorld, share: float) -> tuple[float, StockTable]:
    """The start with which the worst share of returns is best, and its table.

    Of equally good starts the largest.
    """
    table = solve(world, lambda x: np.minimum(x, 0.0))
    half = (len(table.stocks) - 1) // 4  # starts beyond every return change nothing
    middle = (len(table.stocks) - 1) // 2
    starts = np.arange(middle - half, middle + half + 1)
    stocks = table.stocks[starts] * table.process.unit
    reached: NDArray[np.float64]
    reached = -stocks + table.utility[table.process.start, starts] / share
    best = np.flatnonzero(reached >= reached.max() - 1e-9)[-1]
    return float(stocks[best]), table
