"""Worlds of finitely many states or arms, which know the best there is.

``exact()`` of such a world gives an :class:`Exact`: what a table of actions is worth
and the most that any can be, both computed and not sampled. A table has a row for each
state; a bandit has one state.

Shapes: S states.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import MEND, PARAMS

Actions = NDArray[np.int64]


@dataclass(frozen=True)
class Exact:
    """What a world knows of itself.

    Attributes:
        sizes: How many whole numbers, 0, 1, ..., each number of an observation can be.
            A state is their combination, the last one counting fastest. A size of 1
            stands for a number that no table looks at.
        actions: A, to choose from.
        optimum: Value of the best policy.
        value: Of a table of actions (S,), in the same unit.
        unit: Of values, e.g. ``reward a step``.
        computed: How, in words.
    """

    sizes: tuple[int, ...]
    actions: int
    optimum: float
    value: Callable[[Actions], float]
    unit: str
    computed: str

    @property
    def states(self) -> int:
        """S."""
        return int(np.prod(self.sizes))

    def observations(self) -> NDArray[np.float32]:
        """Of all states, (S, O)."""
        at = np.unravel_index(np.arange(self.states), self.sizes)
        return np.stack(at, axis=1).astype(np.float32)

    def regret(self, table: Actions) -> float:
        """How much less than the optimum a table of actions (S,) is worth, >= 0.

        Raises:
            ValueError: If the table is of another length or names no action.
        """
        if table.shape != (self.states,):
            raise ValueError(f"a table {table.shape} for {self.states} states")
        if table.min() < 0 or table.max() >= self.actions:
            raise ValueError(f"actions {table.min()}..{table.max()} of {self.actions}")
        return max(0.0, self.optimum - self.value(table))


def check_solvable(world: str, field: str, numbers: int, most: int) -> None:
    """Refuse a world whose optimum would take too long, or too much memory.

    Args:
        world: Its name.
        field: What of its parameters makes it so large.
        numbers: That the computation would hold.
        most: How many it may.

    Raises:
        RefusedError: If there are more.
    """
    if numbers > most:
        found = f"{numbers:g} numbers to solve it"
        raise RefusedError(
            PARAMS, f"world.{world}.{field}", found, f"at most {most:g}", MEND
        )
