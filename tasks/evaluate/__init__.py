"""Evaluate: the ONNX files of a variant act in the real world.

A method's file defines one :class:`Evaluator`. What comes out is an :class:`Episodes`
table. Every artifact is given the same list of start seeds, so the tables of two
artifacts are compared row by row (``verdict.py``).

Other methods need no world and guess from logged episodes alone: theirs defines one
``_estimate.Estimator``, and a stage of its own runs it (``estimate.py``).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import Params

if TYPE_CHECKING:  # reading a table must not cost the import of a simulator
    from tasks.artifacts.onnx_policy import OnnxPolicy
    from tasks.worlds import World

ESTIMATE = "estimate"  # metrics.json, key kind; returns of a world have no such key
# told now and then: training seed, step, returns of ended episodes, how many still run
Tell = Callable[[int, int, NDArray[np.float64], int], None]


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
        """One table from one a seed."""
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
        """Read what :meth:`write` wrote.

        Raises:
            RefusedError: If the file is missing, or is no such table.
        """
        import pyarrow
        from pyarrow import parquet

        mend = "make it again with: dvc repro"
        try:
            table = parquet.read_table(path, use_threads=False)
        except FileNotFoundError:
            raise RefusedError(path, "file", "nothing", "a file", mend) from None
        except pyarrow.ArrowInvalid as error:
            found = str(error).splitlines()[0]
            raise RefusedError(path, "content", found, "parquet", mend) from None
        names = [_column(field.name) for field in fields(cls)]
        if table.column_names != names:
            raise RefusedError(path, "columns", table.column_names, names, mend)
        return cls(*(table[name].to_numpy() for name in names))


def _column(name: str) -> str:
    """A field's column; ``return`` cannot name a field in Python."""
    return "return" if name == "returns" else name


class Evaluator(ABC):
    """One way to find out how good the files of a variant are.

    Args:
        params: The method's parameters.
    """

    Parameters: ClassVar[type[Params]]

    def __init__(self, params: Params) -> None:
        self.params: Any = params

    @abstractmethod
    def run(
        self, world: "World", policies: "Mapping[int, OnnxPolicy]", tell: Tell
    ) -> Episodes:
        """Play.

        Args:
            world: Where.
            policies: One a training seed.
            tell: Called now and then with the progress.
        """

    @abstractmethod
    def summary(self, world: "World", episodes: Episodes) -> dict[str, Any]:
        """The figures of ``metrics.json`` that come from the table."""
