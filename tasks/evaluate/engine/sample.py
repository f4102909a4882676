"""An even sample of rows that pass by, of which nobody knows how many will come."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Sample:
    """Each row that passed is kept with the same probability.

    Reservoir sampling by skips: most calls draw nothing and copy nothing. Source: Li
    1994, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))",
    algorithm L. The choice depends on the rows' numbers alone.

    Args:
        size: Rows that are kept at most, >= 1.

    Attributes:
        passed: Rows so far.
    """

    def __init__(self, size: int) -> None:
        self.size, self.passed = size, 0
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._draw = np.random.default_rng(0)
        self._weight, self._next = 1.0, size - 1
        self._skip()

    def see(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Let rows pass.

        Args:
            arrays: By name, (n, ...) each; the same names and widths every time.
        """
        first, count = self.passed, len(next(iter(arrays.values())))
        self.passed += count
        if not self._kept:
            self._kept = {
                name: np.empty((self.size, *values.shape[1:]), np.float32)
                for name, values in arrays.items()
            }
        free = min(max(0, self.size - first), count)
        if free:
            for name, values in arrays.items():
                self._kept[name][first : first + free] = values[:free]
        while self._next < self.passed:
            place = int(self._draw.integers(self.size))
            for name, values in arrays.items():
                self._kept[name][place] = values[self._next - first]
            self._skip()

    def rows(self) -> dict[str, NDArray[np.float32]]:
        """What was kept, by name: min(size, passed) rows each."""
        return {name: values[: self.passed] for name, values in self._kept.items()}

    def _skip(self) -> None:
        """Draw the number of the next row that replaces another."""
        self._weight *= (1 - self._draw.random()) ** (1 / self.size)
        logarithm = math.log(1 - self._draw.random())
        self._next += 1 + int(logarithm / math.log1p(-self._weight))
