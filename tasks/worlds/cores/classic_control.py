"""Classic-control worlds of Gymnasium, whole batches of them stepped as arrays.

A world gives its physics in numpy, in the very order of operations Gymnasium uses, so
that results equal Gymnasium's to the last bit.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from tasks.worlds import Floats, WorldParams
from tasks.worlds.cores.physics import PhysicalBatch, PhysicalWorld


class ClassicBatch(PhysicalBatch):
    """Sub-environments whose physics has a few constants.

    Attributes:
        constants: Those in force, (N,) by name, in the units the world declares.
    """

    def __init__(self, world: PhysicalWorld, num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.constants: dict[str, Floats] = {}
        self._change(np.arange(num_envs))

    def _change(self, rows: NDArray[np.intp]) -> None:
        del rows  # all are as quick
        physics = self.world.physics
        self.constants = {k: physics[k].nominal * v for k, v in self.psi.items()}


class ClassicWorld(PhysicalWorld):
    """A world with the spaces of Gymnasium's environment."""

    def __init__(self, params: WorldParams) -> None:
        super().__init__(params)
        env: Any = gymnasium.make(params.env_id).unwrapped
        self.observation_space = env.observation_space
        self.action_space = env.action_space


def squared(x: Floats) -> Floats:
    """What Gymnasium's ``x**2`` of single numbers gives, for an array.

    Of an array ``x**2`` is x times x, of a number the C library's pow(x, 2), and these
    differ in the last bit about once in a thousand numbers.
    """
    return np.power(x, np.full_like(x, 2))


def uniform_start(seed: int, high: Floats) -> Floats:
    """A start state drawn from U(-high, high), as Gymnasium draws it; like ``high``."""
    return np_random(seed)[0].uniform(low=-high, high=high)
