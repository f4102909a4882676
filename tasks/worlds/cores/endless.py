"""Worlds whose task never ends: episodes stop at the time limit alone."""

import numpy as np

from tasks.worlds import Flags, Floats


class Endless:
    """Mixed into a :class:`tasks.worlds.World` that never terminates."""

    def termination_fn(
        self, state: Floats, action: Floats, next_state: Floats
    ) -> Flags:
        """Which steps (N,) end an episode, from observations (N, O): none."""
        del action, next_state
        return np.zeros(len(state), dtype=bool)
