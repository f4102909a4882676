"""Errors of samplers where the network is known exactly, for their claims.

They come from beds on mixtures of Gaussians (``tasks/beds/cores/mixtures.py``), several
of them, each with its own noises; the error is the mean squared distance to a fine DDIM
from the same noise. Errors differ by orders of magnitude, so they are compared by their
ratio: differences of natural logarithms, one a mixture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypedDict

import numpy as np

from tasks.artifacts.formats import LARGEST, Least, Size
from tasks.artifacts.params import Range
from tasks.claims import Figure
from tasks.claims.cores.figures import of_replicates
from tasks.claims.engine.results import Floats, Results

UNIT = "ln of the errors' ratio"


class Cell(TypedDict):
    """One sampler's error."""

    sampler: str
    guidance: Size
    nfe: Least
    mse: Annotated[float, Range(1e-300, LARGEST)]  # its logarithm is taken


class Setting(TypedDict):
    """Which table a job is of."""

    table: str


class Job(TypedDict):
    """The errors on one mixture."""

    settings: Setting
    result: list[Cell]


class Bed(TypedDict):
    """What a bed of mixtures leaves."""

    jobs: list[Job]


@dataclass(frozen=True)
class Errors:
    """Mean squared errors.

    Attributes:
        cells: By (sampler, guidance, network calls), (mixtures,).
    """

    cells: dict[tuple[str, float, int], Floats]

    def ratio(
        self,
        name: str,
        worse: Sequence[tuple[str, float, int]],
        better: Sequence[tuple[str, float, int]],
    ) -> Figure:
        """How much larger errors are, mean of the logarithms over pairs of cells."""
        pairs = zip(worse, better, strict=True)
        logs = [np.log(self.cells[a]) - np.log(self.cells[b]) for a, b in pairs]
        return of_replicates(name, np.mean(logs, axis=0), UNIT, "mixtures")

    def pair(self, worse: str, better: str, guidance: float, calls: int) -> Figure:
        """How much larger one sampler's error is than another's."""
        name = f"{worse} over {better}, {calls} calls"
        name += f", guidance {guidance:g}" if guidance else ""
        return self.ratio(name, [(worse, guidance, calls)], [(better, guidance, calls)])

    def figures(self) -> list[Figure]:
        """Every cell, as logarithms."""
        return [
            of_replicates(
                f"{name}, {calls} calls" + (f", guidance {w:g}" if w else ""),
                np.log(values),
                "ln of the squared error",
                "mixtures",
            )
            for (name, w, calls), values in self.cells.items()
        ]


def errors(results: Results, bed: str, table: str) -> Errors:
    """Errors of one table of a bed; a cell a sampler cannot make is left out.

    Args:
        results: Of the study that ran.
        bed: Its name.
        table: One of the bed's.
    """
    cells: dict[tuple[str, float, int], list[float]] = {}
    for job in results.bed(bed, Bed).jobs:
        if job.settings["table"] == table:
            for row in job.result:
                cell = row["sampler"], row["guidance"], row["nfe"]
                cells.setdefault(cell, []).append(row["mse"])
    return Errors({cell: np.array(values) for cell, values in cells.items()})
