"""Errors of samplers where the network is known exactly, for their claims.

They come from beds on mixtures of Gaussians (``tasks/beds/cores/mixtures.py``), several
of them, each with its own noises; the error is the squared distance to a fine DDIM from
the same noise. Errors differ by orders of magnitude between samples and mixtures, so
what is compared is the mean over samples of their natural logarithms. The logarithm of
their mean stands beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypedDict

import numpy as np

from tasks.artifacts.formats import LARGEST, Least, Number, Size
from tasks.artifacts.params import Range
from tasks.claims import Figure
from tasks.claims.cores.figures import of_replicates
from tasks.claims.engine.results import Floats, Results

RATIO = "ln of the errors' ratio"
ERROR = "ln of the squared error"
MIXTURES = "mixtures"


class Cell(TypedDict):
    """One sampler's errors: of every sample, and of every other one."""

    sampler: str
    guidance: Size
    nfe: Least
    mse: Annotated[float, Range(1e-300, LARGEST)]  # its logarithm is taken
    logs: tuple[Number, Number]


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
    """Errors of one table, at one strength of guidance or more.

    Attributes:
        halves: By (sampler, guidance, network calls), mean logarithms over every other
            sample, (mixtures, 2).
        means: Likewise, the logarithm of the mean over all samples, (mixtures,).
    """

    halves: dict[tuple[str, float, int], Floats]
    means: dict[tuple[str, float, int], Floats]

    def logs(self, sampler: str, guidance: float, calls: Sequence[int]) -> Floats:
        """A sampler's logarithms, mean over samples and calls, (mixtures,)."""
        cells = [self.halves[sampler, guidance, n].mean(1) for n in calls]
        return np.mean(cells, axis=0)

    def ratio(
        self, worse: str, better: str, guidance: float, calls: Sequence[int]
    ) -> Figure:
        """How much larger one sampler's errors are than another's."""
        gap = self.logs(worse, guidance, calls) - self.logs(better, guidance, calls)
        name = f"{worse} over {better}, {where(guidance, calls)}"
        return of_replicates(name, gap, RATIO, MIXTURES)

    def ratio_of_means(
        self, worse: str, better: str, guidance: float, calls: Sequence[int]
    ) -> Figure:
        """The same of the means over samples, which few samples carry."""
        gaps = [
            self.means[worse, guidance, n] - self.means[better, guidance, n]
            for n in calls
        ]
        name = f"means: {worse} over {better}, {where(guidance, calls)}"
        return of_replicates(name, np.mean(gaps, axis=0), RATIO, MIXTURES)

    def twice(
        self, worse: str, better: str, guidance: float, calls: Sequence[int]
    ) -> Figure:
        """The ratio on one half of the samples minus that on the other."""
        gaps = [
            self.halves[worse, guidance, n] - self.halves[better, guidance, n]
            for n in calls
        ]
        one, other = np.mean(gaps, axis=0).T
        name = f"{worse} over {better} on one half of the samples minus on the other"
        return of_replicates(name, one - other, RATIO, MIXTURES)

    def error(self, sampler: str, guidance: float, calls: Sequence[int]) -> Figure:
        """A sampler's own errors."""
        name = f"{sampler}, {where(guidance, calls)}"
        return of_replicates(name, self.logs(sampler, guidance, calls), ERROR, MIXTURES)

    def figures(self) -> list[Figure]:
        """Every cell."""
        return [self.error(name, w, [calls]) for name, w, calls in self.halves]


def where(guidance: float, calls: Sequence[int]) -> str:
    """The cells in words."""
    words = f"{calls[0]} calls"
    if len(calls) > 1:
        words = f"mean of {calls[0]} to {calls[-1]} calls"
    return words + (f", guidance {guidance:g}" if guidance else "")


def errors(results: Results, bed: str, table: str) -> Errors:
    """Errors of one table of a bed; a cell a sampler cannot make is left out.

    Args:
        results: Of the study that ran.
        bed: Its name.
        table: One of the bed's.
    """
    halves: dict[tuple[str, float, int], list[tuple[float, float]]] = {}
    means: dict[tuple[str, float, int], list[float]] = {}
    for job in results.bed(bed, Bed).jobs:
        if job.settings["table"] == table:
            for row in job.result:
                cell = row["sampler"], row["guidance"], row["nfe"]
                halves.setdefault(cell, []).append(row["logs"])
                means.setdefault(cell, []).append(row["mse"])
    return Errors(
        {cell: np.array(rows) for cell, rows in halves.items()},
        {cell: np.log(values) for cell, values in means.items()},
    )
