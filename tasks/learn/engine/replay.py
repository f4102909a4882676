"""The replay buffer: the newest steps of each seed, in a memory-mapped file.

The file holds more rows than batches are drawn of. A run that was killed goes on from
its last checkpoint and writes the same rows again; the rows that those had replaced
are still there, as long as no more than the spare ones were written since.

Shapes: S seeds, N worlds of a seed, B batch, W width of a row.
"""

import os
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


def memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_room(file: Path, size: int, seeds: int) -> None:
    """Refuse a buffer that the disk has no room for, or that memory cannot hold.

    Rows are drawn at random. Were they more than memory holds, each batch would wait
    for the disk.

    Args:
        file: Where it is to lie; its folder need not be there yet.
        size: Bytes of the whole.
        seeds: Whose rows these are.
    """
    there = next(folder for folder in file.absolute().parents if folder.is_dir())
    disk = shutil.disk_usage(there)
    free = {"disk": disk.free - SPARE * disk.total, "memory": memory()}
    for kind, room in free.items():
        if size > room:
            raise RefusedError(
                file,
                "replay",
                f"{size / 2**30:.1f} GiB for {seeds} seeds",
                f"at most {max(room, 0) / 2**30:.1f} GiB, what the {kind} has",
                "lower replay, or the number of study.seeds",
            )


class Replay:
    """A ring of rows for each seed.

    Args:
        file: Where the rows lie; opened if it is there, with what it holds.
        seeds: S.
        capacity: Rows of each seed that batches are drawn of.
        spare: Further rows, which keep what a run after a kill may need.
        widths: Of the columns of a row; they add up to W.

    Raises:
        RefusedError: If disk or memory have no room for it.

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
        if not there:
            check_room(file, size, seeds)
            with file.open("wb") as blank:
                if hasattr(os, "posix_fallocate"):  # else a full disk ends the process
                    os.posix_fallocate(blank.fileno(), 0, size)
                blank.truncate(size)
        self.rows = np.memmap(file, np.float32, "r+", shape=shape)

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
