"""Measure: what a dataset holds, in figures, and a gate that degenerate data fails.

A method's file or folder defines one :class:`Measure`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tasks.artifacts.method import Method
from tasks.artifacts.params import Params

P = TypeVar("P", bound=Params)


class Measure(Method[P], ABC):
    """Measures a study's datasets, each beside the others of its world.

    Args:
        params: Of the block ``measure.<name>``.
    """

    @abstractmethod
    def metrics(self, dataset: str, names: Sequence[str], root: Path) -> dict[str, Any]:
        """Measure a dataset.

        Args:
            dataset: One of ``names``.
            names: All datasets the study measures.
            root: Folder of the datasets.

        Returns:
            What metrics.json says, the dataset's hash as ``dataset_sha256``.

        Raises:
            RefusedError: If a figure does not pass the gate, or a dataset cannot be
                read.
        """

    @abstractmethod
    def summary(self, metrics: Mapping[str, Any]) -> str:
        """What metrics.json says, in a line for the log."""
