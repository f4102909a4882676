"""A noise schedule, continued between and beyond the times of its table.

A network is trained at the times 0..K-1 of a table abar. Samplers also look between
them, where abar is linear from one to the next, and one step beyond: time -1 is clean,
abar 1. All numbers are float64.

| letter | is |
|---|---|
| a, s | alpha = sqrt(abar), sigma = sqrt(1 - abar): x = a * data + s * noise |
| rho | s / a |
| lam | ln(a / s), half the logarithm of the signal-to-noise ratio |

That a table is continued linearly is known from the code of DEIS (Zhang & Chen 2023,
arXiv 2204.13902).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS

Floats = NDArray[np.float64]

CLEAN = -1.0  # the time of data without noise


@dataclass(frozen=True)
class Schedule:
    """abar of times -1..K-1: what is left of the data's variance at each.

    Attributes:
        table: (K,), float64, falling, of the times 0..K-1.
    """

    table: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the table.

        Raises:
            RefusedError: If a value lies outside (0, 1), or they do not fall.
        """
        values = np.array(self.table, np.float64)
        inside = len(values) and np.all((values > 0) & (values < 1))  # NaN is not
        if not inside or np.any(np.diff(values) >= 0):
            raise RefusedError(
                "policy",
                "abar",
                [float(f"{v:.4g}") for v in values],
                "falling numbers between 0 and 1, both excluded",
                "train the policy with another noise schedule",
            )

    @classmethod
    def of(cls, abar: Sequence[float] | Floats) -> "Schedule":
        """A schedule from any sequence of abar."""
        return cls(tuple(float(value) for value in abar))

    @property
    def last(self) -> int:
        """K - 1, the noisiest time."""
        return len(self.table) - 1

    def abar(self, time: Floats | float) -> Floats:
        """The abar at any time in [-1, K-1]."""
        times = np.arange(-1, len(self.table))
        return np.interp(time, times, np.array([1.0, *self.table]))

    def rho(self, time: Floats | float) -> Floats:
        """Noise against data, s / a, at any time."""
        abar = self.abar(time)
        return np.sqrt((1 - abar) / abar)

    def time(self, rho: Floats | float) -> Floats:
        """The time with a given rho, inside the table."""
        abar = 1 / (1 + np.square(rho))
        times = np.arange(len(self.table) - 1, -2, -1)
        return np.interp(abar, np.array([*self.table[::-1], 1.0]), times)

    def start(self, floor: float) -> int:
        """The noisiest time with abar >= floor, where every sampler begins.

        Where next to nothing of the data is left, (x - s * noise) / a multiplies an
        error of the network by 1 / a.

        Raises:
            RefusedError: If there is none.
        """
        usable = [k for k, value in enumerate(self.table) if value >= floor]
        if not usable:
            raise RefusedError(
                PARAMS,
                "export.floor",
                floor,
                f"at most {self.table[0]:.4g}, the schedule's largest abar",
                "lower the floor",
            )
        return usable[-1]
