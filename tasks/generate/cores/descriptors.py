"""Descriptors of episodes as measures in [-1, 1]^D."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.worlds import World, require

Doubles = NDArray[np.float64]


class Measures:
    """Measures of episodes: a world's descriptors, each dimension scaled to [-1, 1].

    Args:
        world: One that can ``descriptor``.

    Attributes:
        low: (D,), units of the world.
        high: (D,), above ``low``.

    Raises:
        RefusedError: If it cannot, or a dimension has no finite extent.
    """

    def __init__(self, world: World) -> None:
        self._describe = require(world, "descriptor")
        self._where = f"world {world.params.name}"
        self.low, self.high = (
            np.asarray(require(world, f"descriptor_{end}"), np.float64)
            for end in ("low", "high")
        )
        if not (np.isfinite(self.high - self.low) & (self.low < self.high)).all():
            raise RefusedError(
                self._where,
                "descriptor bounds",
                f"{self.low.tolist()} to {self.high.tolist()}",
                "finite ones, low below high in each dimension",
                "mend the world's descriptor_low and descriptor_high",
            )

    def of(self, episodes: Sequence[Episode]) -> Doubles:
        """The measures of N whole episodes, (N, D).

        Raises:
            RefusedError: If an episode has no steps, or its descriptor is NaN or
                outside the bounds.
        """
        raw = np.zeros((len(episodes), len(self.low)))  # units of the world
        for number, episode in enumerate(episodes):
            if not len(episode):
                raise RefusedError(
                    self._where,
                    "descriptor",
                    "an episode of 0 steps",
                    "at least one step",
                    "start where the task has not already ended",
                )
            raw[number] = d = self._describe(episode)
            if not ((self.low <= d) & (d <= self.high)).all():
                raise RefusedError(
                    self._where,
                    "descriptor",
                    np.round(d, 4).tolist(),
                    f"{self.low.tolist()} to {self.high.tolist()}",
                    "mend the world's descriptor or widen its bounds",
                )
        return 2 * (raw - self.low) / (self.high - self.low) - 1

    def units(self, measures: Doubles) -> Doubles:
        """Measures (N, D) back in units of the world."""
        return self.low + (measures + 1) / 2 * (self.high - self.low)
