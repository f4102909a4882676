"""Errors of samplers where the network is known exactly, for their claims.

They come from beds on mixtures of Gaussians (``tasks/beds/cores/mixtures.py``), several
of them, each with its own noises; the error is the squared distance to a fine DDIM from
the same noise. Errors differ by orders of magnitude between samples and mixtures, so
logarithms are compared, by one of two statistics:

* ``logs``, the mean over samples of their logarithms: how far off the usual sample is;
* ``means``, the logarithm of their mean, which the worst samples carry.
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
STATISTICS = {"logs": "", "means": "means: "}  # and what figures' names begin with
Positive = Annotated[float, Range(1e-300, LARGEST)]  # its logarithm is taken


class Cell(TypedDict):
    """One sampler's errors, over every other sample from the first and second on."""

    sampler: str
    guidance: Size
    nfe: Least
    means: tuple[Positive, Positive]
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
    """Logarithms of the errors of one table, by one statistic.

    Attributes:
        whole: By (sampler, guidance, network calls), over all samples, (mixtures,).
        halves: Likewise, over every other sample, (mixtures, 2).
        words: What names of figures begin with.
    """

    whole: dict[tuple[str, float, int], Floats]
    halves: dict[tuple[str, float, int], Floats]
    words: str = ""

    def logs(self, sampler: str, guidance: float, calls: Sequence[int]) -> Floats:
        """A sampler's errors, mean over numbers of calls, (mixtures,)."""
        return np.mean([self.whole[sampler, guidance, n] for n in calls], axis=0)

    def ratio(
        self, worse: str, better: str, guidance: float, calls: Sequence[int]
    ) -> Figure:
        """How much larger one sampler's errors are than another's."""
        gap = self.logs(worse, guidance, calls) - self.logs(better, guidance, calls)
        name = f"{self.words}{worse} over {better}, {where(guidance, calls)}"
        return of_replicates(name, gap, RATIO, MIXTURES)

    def twice(
        self, worse: str, better: str, guidance: float, calls: Sequence[int]
    ) -> Figure:
        """The ratio on one half of the samples minus that on the other."""
        gaps = [
            self.halves[worse, guidance, n] - self.halves[better, guidance, n]
            for n in calls
        ]
        one, other = np.mean(gaps, axis=0).T
        name = f"{self.words}{worse} over {better} on one half of the samples"
        return of_replicates(f"{name} - on the other", one - other, RATIO, MIXTURES)

    def error(self, sampler: str, guidance: float, calls: Sequence[int]) -> Figure:
        """A sampler's own errors."""
        name = f"{self.words}{sampler}, {where(guidance, calls)}"
        return of_replicates(name, self.logs(sampler, guidance, calls), ERROR, MIXTURES)

    def figures(self) -> list[Figure]:
        """Every cell."""
        return [self.error(name, w, [calls]) for name, w, calls in self.whole]


def where(guidance: float, calls: Sequence[int]) -> str:
    """The cells in words."""
    words = f"{calls[0]} calls"
    if len(calls) > 1:
        words = f"mean of {calls[0]} to {calls[-1]} calls"
    return words + (f", guidance {guidance:g}" if guidance else "")


def errors(results: Results, bed: str, table: str, statistic: str) -> Errors:
    """Errors of one table of a bed; a cell a sampler cannot make is left out.

    Args:
        results: Of the study that ran.
        bed: Its name.
        table: One of the bed's.
        statistic: One of ``STATISTICS``.
    """
    rows: dict[tuple[str, float, int], list[tuple[float, float]]] = {}
    for job in results.bed(bed, Bed).jobs:
        if job.settings["table"] == table:
            for row in job.result:
                cell = row["sampler"], row["guidance"], row["nfe"]
                rows.setdefault(cell, []).append(row[statistic])
    halves = {cell: np.array(values) for cell, values in rows.items()}
    whole = {cell: values.mean(1) for cell, values in halves.items()}
    if statistic == "means":
        whole = {cell: np.log(values) for cell, values in whole.items()}
        halves = {cell: np.log(values) for cell, values in halves.items()}
    return Errors(whole, halves, STATISTICS[statistic])
