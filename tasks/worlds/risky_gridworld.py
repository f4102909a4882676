"""A short way to the goal with a small chance of a large loss, and a safe one round it.

A grid of 5 x 5 cells; start (4, 0), goal (4, 4), as row and column.

| | shape | meaning |
|---|---|---|
| observation | (3,) | steps done, row, column |
| action | one of 4 | up, down, left, right; into a wall stays in place |

Reward a step: -1, and -8 more with probability 0.05 where the step enters (4, 1),
(4, 2) or (4, 3). Terminates at the goal, or after 20 steps. One step has no duration,
the control step is called 1 s.

The short way returns -5.2 on average and the safe one -6 for certain, so who minds bad
luck goes round. The world is our own.
"""

import numpy as np

from tasks.worlds.cores.finite import FiniteEnv, FiniteWorld, Process

SIDE, HORIZON = 5, 20
START, GOAL = (4, 0), (4, 4)
RISKY = ((4, 1), (4, 2), (4, 3))
CHANCE, LOSS = 0.05, -8.0
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


class RiskyGridworld(FiniteWorld):
    """The grid; the module says what it observes and earns."""

    env_ids = ("RiskyGridworld-v0",)

    def made(self) -> Process:
        """Two outcomes of each move, of which the second is bad luck."""
        shape = SIDE * SIDE, len(MOVES), 2
        chance, reward = np.zeros(shape), np.full(shape, -1.0)
        after = np.zeros(shape, np.int64)
        reward[:, :, 1] += LOSS
        for row in range(SIDE):
            for column in range(SIDE):
                for a, (down, right) in enumerate(MOVES):
                    to = (
                        min(max(row + down, 0), SIDE - 1),
                        min(max(column + right, 0), SIDE - 1),
                    )
                    at = row * SIDE + column
                    after[at, a] = to[0] * SIDE + to[1]
                    bad = CHANCE if to in RISKY else 0.0
                    chance[at, a] = 1 - bad, bad
        goal, start = (row * SIDE + column for row, column in (GOAL, START))
        ends = after == goal
        sizes = SIDE, SIDE
        return Process(HORIZON, sizes, start, chance, after, reward, ends, 1.0)


class RiskyGridworldEnv(FiniteEnv):
    """One such environment."""

    world = RiskyGridworld


RiskyGridworld.recorded = RiskyGridworldEnv
