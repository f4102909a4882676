"""What stage evaluate writes: episodes.parquet, a row an episode, and metrics.json.

metrics.json states the hash of the table, and its own, so that neither is believed
after a change.

Every variant of a policy is given the same list of start seeds, so the tables of two
variants are compared row by row.

Shapes: N rows, S training seeds, E episodes of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.columns import read_columns
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_sha256, sha256
from tasks.artifacts.formats import LARGEST, Evaluation
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.typed_json import read_typed

TABLE, METRICS = "episodes.parquet", "metrics.json"
STATED: Literal["episodes_sha256"] = "episodes_sha256"  # in metrics.json

TYPES = {  # of the columns, as parquet names them
    **dict.fromkeys(("seed", "episode", "start_seed", "length"), "int64"),
    "returns": "double",
    "terminated": "bool",
}


@dataclass(frozen=True)
class Episodes:
    """One row an episode, sorted by seed, then episode.

    Attributes:
        seed: (N,) int64, the training seed, i.e. which file acted.
        episode: (N,) int64, 0...
        start_seed: (N,) int64, what the world was reset with.
        returns: (N,) float64, undiscounted sum of rewards, units of the world;
            the column is called ``return``.
        length: (N,) int64, steps.
        terminated: (N,) bool; false where the time limit ended the episode.
    """

    seed: NDArray[np.int64]
    episode: NDArray[np.int64]
    start_seed: NDArray[np.int64]
    returns: NDArray[np.float64]
    length: NDArray[np.int64]
    terminated: NDArray[np.bool_]

    @classmethod
    def join(cls, parts: "list[Episodes]") -> Self:
        """One table of several, those of one training seed each, in their order."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))

    @property
    def seeds(self) -> list[int]:
        """The training seeds in order."""
        return [int(seed) for seed in np.unique(self.seed)]

    def table(self) -> NDArray[np.float64]:
        """Returns (S, E)."""
        return self.returns.reshape(len(self.seeds), -1)

    def write(self, path: Path) -> None:
        """Write parquet; the same table gives the same bytes."""
        import pyarrow
        from pyarrow import parquet

        columns = {_column(f.name): getattr(self, f.name) for f in fields(self)}
        parquet.write_table(pyarrow.table(columns), path, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table that was written.

        Raises:
            RefusedError: If the file is missing, or is no such table.
        """
        mend = "make it again with: dvc repro"
        types = {_column(field.name): TYPES[field.name] for field in fields(cls)}
        columns = read_columns(path, types, mend)
        table = cls(*columns.values())
        seeds, rows = table.seeds, len(table.seed)
        each = rows // len(seeds) if seeds else 0
        ordered = (
            rows == each * len(seeds)
            and np.array_equal(table.seed, np.repeat(seeds, each))
            and np.array_equal(table.episode, np.tile(np.arange(each), len(seeds)))
        )
        if not rows or not ordered:
            expected = "the same episodes 0, 1, ... of every seed, in order"
            found = f"{rows} rows of {len(seeds)} seeds"
            raise RefusedError(path, "seed, episode", found, expected, mend)
        wrong = table.returns[~(np.abs(table.returns) <= LARGEST)]
        if len(wrong):
            expected = f"finite numbers up to {LARGEST:g}"
            raise RefusedError(path, "return", f"{wrong[0]:g}", expected, mend)
        for name in ("seed", "start_seed", "length"):
            if (least := getattr(table, name).min()) < 0:
                raise RefusedError(path, name, least, "0 or more", mend)
        return table


def write_evaluation(
    folder: Path, episodes: Episodes, metrics: Mapping[str, Any]
) -> None:
    """Write the table, and the figures with its hash among them.

    Args:
        folder: Existing folder.
        episodes: All of them.
        metrics: What metrics.json shall say besides.
    """
    episodes.write(folder / TABLE)
    write_sealed(folder / METRICS, {**metrics, STATED: sha256(folder / TABLE)})


def read_evaluation(folder: Path, command: str) -> tuple[Episodes, Evaluation]:
    """Read the table and the figures after checking their hashes.

    Args:
        folder: What stage evaluate wrote.
        command: What makes it, for errors.

    Raises:
        RefusedError: If a file is missing, not the one that was written, or no table.
    """
    metrics = read_typed(folder / METRICS, command, Evaluation)
    check_sha256(folder / TABLE, metrics[STATED], command)
    episodes, seeds = Episodes.read(folder / TABLE), sorted(metrics["seeds"])
    if episodes.seeds != seeds:
        mend = f"make it again with: {command}"
        raise RefusedError(folder / TABLE, "seed", episodes.seeds, seeds, mend)
    return episodes, metrics


def _column(name: str) -> str:
    """A field's column; ``return`` cannot name a field in Python."""
    return "return" if name == "returns" else name
