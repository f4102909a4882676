"""The noise a sampling policy is played with."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 64  # steps whose noise is drawn at once
STREAM = 1  # tells this use of a start seed from others


class Noise:
    """Standard normal numbers that depend on start seed and step alone.

    An episode therefore meets the same noise whatever plays beside it, with every
    training seed and with every variant of a policy: differences stay paired.

    Args:
        starts: (N,), start seeds of the episodes.
        width: Numbers a step, all inputs of the policy together.
    """

    def __init__(self, starts: Sequence[int], width: int) -> None:
        self.starts, self.width = [int(start) for start in starts], width
        self.block = -1
        self.drawn: NDArray[np.float32]  # (N, BLOCK, width)

    def __call__(self, step: int) -> NDArray[np.float32]:
        """Of all episodes at one step, (N, width)."""
        block, i = divmod(step, BLOCK)
        if block != self.block:
            by_start = {
                start: np.random.default_rng([start, block, STREAM]).standard_normal(
                    (BLOCK, self.width), np.float32
                )
                for start in dict.fromkeys(self.starts)
            }
            self.block = block
            self.drawn = np.stack([by_start[start] for start in self.starts])
        return self.drawn[:, i]
