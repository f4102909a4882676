"""The replay buffer: the newest steps of each seed, in a memory-mapped file.

The file holds more rows than batches are drawn of. A run that was killed goes on from
its last checkpoint and writes the same rows again; the rows that those had replaced
are still there, as long as no more than the spare ones were written since.

Shapes: S seeds, N worlds of a seed, B batch, W width of a row.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError

SPARE = 0.1  # of the disk, that must stay free


class Replay:
    """A ring of rows for each seed.

    Args:
        file: Where the rows lie; opened if it is there, with what it holds.
        seeds: S.
        capacity: Rows of each seed that batches are drawn of.
        spare: Further rows, which keep what a run after a kill may need.
        widths: Of the columns of a row; they add up to W.

    Raises:
        RefusedError: If the disk has no room for it.

    Attributes:
        count: Rows of each seed that were added, ever.
    """

    def __init__(
        self,
        file: Path,
        seeds: int,
        capacity: int,
        spare: int,
        widths: Sequence[int],
    ) -> None:
        self.capacity, self.length, self.count = capacity, capacity + spare, 0
        self.cuts = np.cumsum(widths)[:-1]
        shape = (seeds, self.length, sum(widths))
        size = 4 * int(np.prod(shape, dtype=np.int64))
        file.parent.mkdir(parents=True, exist_ok=True)
        there = file.is_file() and file.stat().st_size == size
        disk = shutil.disk_usage(file.parent)
        if not there and size > disk.free - SPARE * disk.total:
            raise RefusedError(
                file,
                "replay",
                f"{size / 2**30:.1f} GiB for {seeds} seeds",
                f"less than the disk has free, {disk.free / 2**30:.1f} GiB",
                "lower replay, or the number of study.seeds",
            )
        if there:
            self.rows = np.memmap(file, np.float32, "r+", shape=shape)
        else:
            self.rows = np.memmap(file, np.float32, "w+", shape=shape)

    @property
    def size(self) -> int:
        """Rows of each seed that batches are drawn of."""
        return min(self.count, self.capacity)

    def add(self, *columns: NDArray[Any]) -> None:
        """Store a step of every world.

        Args:
            *columns: (S, N, width) each, in the order of the widths.
        """
        rows = np.concatenate(columns, axis=2)
        at = (self.count + np.arange(rows.shape[1])) % self.length
        self.rows[:, at] = rows
        self.count += rows.shape[1]

    def sample(self, share: NDArray[np.float64]) -> list[Tensor]:
        """Rows of each seed, drawn evenly and with replacement.

        Args:
            share: (S, B), in [0, 1): where in the buffer each row lies, 0 the oldest.

        Returns:
            The columns, (S, B, width) each.
        """
        oldest = self.count - self.size
        at = (oldest + (share * self.size).astype(np.int64)) % self.length
        drawn = np.stack([rows[i] for rows, i in zip(self.rows, at, strict=True)])
        return [torch.from_numpy(x) for x in np.split(drawn, self.cuts, axis=-1)]

    def flush(self) -> None:
        """Write what is in memory alone to the disk."""
        self.rows.flush()
