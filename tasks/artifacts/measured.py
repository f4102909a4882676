"""What stage evaluate writes of a predictor: rows.parquet and metrics.json.

A row is a training seed with a replicate (a row, an image, a sequence, a batch of
them) and the metric's value there. metrics.json says which metric it is, in which unit,
and whether more or less of it is better.

Shapes: N rows, S training seeds, R replicates of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.columns import read_columns
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_sha256, sha256
from tasks.artifacts.formats import LARGEST, Least, Number, Seed, SeedMean
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.typed_json import read_typed

TABLE, METRICS = "rows.parquet", "metrics.json"
BETTER = ("higher", "lower")
TYPES = {"seed": "int64", "replicate": "int64", "value": "double"}


class Whole(TypedDict):
    """A metric over all seeds and replicates, with an interval of its mean."""

    mean: Number
    low: Number
    high: Number
    of: str


class Measured(TypedDict):
    """``metrics.json`` of a predictor's metric."""

    dataset: str
    learner: str
    variant: str
    metric: str
    unit: str
    replicate: str
    better: str
    replicates: Least
    seeds: list[Seed]
    value: Whole
    per_seed: list[SeedMean]
    mode: str
    rows_sha256: str


STATED: Literal["rows_sha256"] = "rows_sha256"


@dataclass(frozen=True)
class Rows:
    """One row a training seed and replicate, sorted by seed, then replicate.

    Attributes:
        seed: (N,) int64, the training seed, i.e. which file predicted.
        replicate: (N,) int64, 0...
        value: (N,) float64, of the metric.
    """

    seed: NDArray[np.int64]
    replicate: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def of(cls, values: Mapping[int, NDArray[np.float64]]) -> Self:
        """The table of some seeds' values, (R,) each."""
        seeds = sorted(values)
        count = len(values[seeds[0]])
        return cls(
            np.repeat(np.array(seeds, np.int64), count),
            np.tile(np.arange(count, dtype=np.int64), len(seeds)),
            np.concatenate([values[seed] for seed in seeds]).astype(np.float64),
        )

    @property
    def seeds(self) -> list[int]:
        """The training seeds in order."""
        return [int(seed) for seed in np.unique(self.seed)]

    def table(self) -> NDArray[np.float64]:
        """Values (S, R)."""
        return self.value.reshape(len(self.seeds), -1)


def write_measured(folder: Path, rows: Rows, metrics: Mapping[str, Any]) -> None:
    """Write the table, and the figures with its hash among them.

    Args:
        folder: Existing folder.
        rows: All of them.
        metrics: What metrics.json shall say besides.
    """
    import pyarrow
    from pyarrow import parquet

    columns = {field.name: getattr(rows, field.name) for field in fields(rows)}
    parquet.write_table(pyarrow.table(columns), folder / TABLE, compression="zstd")
    write_sealed(folder / METRICS, {**metrics, STATED: sha256(folder / TABLE)})


def read_measured(folder: Path, command: str) -> tuple[Rows, Measured]:
    """Read the table and the figures after checking their hashes.

    Args:
        folder: What stage evaluate wrote.
        command: What makes it, for errors.

    Raises:
        RefusedError: If a file is missing, not the one that was written, or no table of
            finite values of the stated seeds.
    """
    metrics = read_typed(folder / METRICS, command, Measured)
    check_sha256(folder / TABLE, metrics[STATED], command)
    mend = f"make it again with: {command}"
    if metrics["better"] not in BETTER:
        expected = " or ".join(BETTER)
        found = metrics["better"]
        raise RefusedError(folder / METRICS, "better", found, expected, mend)
    count = len(metrics["seeds"]) * metrics["replicates"]
    rows = Rows(**read_columns(folder / TABLE, TYPES, mend, count))
    whole = Rows.of(dict.fromkeys(metrics["seeds"], np.zeros(metrics["replicates"])))
    for name in ("seed", "replicate"):
        if not np.array_equal(getattr(rows, name), getattr(whole, name)):
            expected = "each seed's replicates 0, 1, ... in order"
            raise RefusedError(folder / TABLE, name, "others", expected, mend)
    if not (np.abs(rows.value) <= LARGEST).all():
        expected = f"finite numbers up to {LARGEST:g}"
        raise RefusedError(folder / TABLE, "value", "others", expected, mend)
    return rows, metrics
