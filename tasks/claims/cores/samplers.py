"""Errors of samplers where the network is known exactly, for their claims.

The bed is ``tasks/beds/samplers/``: mixtures of eight Gaussians in eight dimensions,
several of them, each with its own noises; the error is the mean squared distance to a
fine DDIM from the same noise. Errors differ by orders of magnitude, so they are
compared by their ratio: differences of natural logarithms, one a mixture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.params import Range
from tasks.artifacts.progress import Progress
from tasks.beds.samplers.mixtures import table
from tasks.claims import Check, ClaimParams, Figure
from tasks.claims.engine.results import Floats, Results

UNIT = "ln of the errors' ratio"


@dataclass(frozen=True)
class BedParams(ClaimParams):
    """See the params of a claim that is checked here."""

    mixtures: Annotated[tuple[int, ...], Range(0)]
    samples: Annotated[int, Range(2)]


@dataclass(frozen=True)
class Errors:
    """Mean squared errors.

    Attributes:
        cells: By (sampler, guidance, network calls), (mixtures,).
        results: Whose intervals are used.
    """

    cells: dict[tuple[str, float, int], Floats]
    results: Results

    def ratio(
        self,
        name: str,
        worse: Sequence[tuple[str, float, int]],
        better: Sequence[tuple[str, float, int]],
    ) -> Figure:
        """How much larger errors are, mean of the logarithms over pairs of cells."""
        pairs = zip(worse, better, strict=True)
        logs = [np.log(self.cells[one]) - np.log(self.cells[two]) for one, two in pairs]
        return self.results.figure(name, np.mean(logs, axis=0)[:, None], UNIT)

    def check(
        self,
        worse: str,
        better: str,
        guidance: float,
        calls: int,
        factor: float = 1.0,
    ) -> Check:
        """That one sampler's error is more than ``factor`` times another's."""
        name = f"{worse} over {better}, {calls} calls"
        name += f", guidance {guidance:g}" if guidance else ""
        name += f", {factor:g} times" if factor > 1 else ""
        cells = [(worse, guidance, calls)], [(better, guidance, calls)]
        return Check(self.ratio(name, *cells), float(np.log(factor)))

    def figures(self) -> list[Figure]:
        """Every cell: the geometric mean over mixtures, and their least and most."""
        return [
            Figure(
                f"{name}, {calls} calls" + (f", guidance {w:g}" if w else ""),
                float(np.exp(np.log(values).mean())),
                float(values.min()),
                float(values.max()),
                "squared error, least to most of the mixtures",
            )
            for (name, w, calls), values in self.cells.items()
        ]


def errors(
    params: BedParams,
    results: Results,
    names: Sequence[str],
    guidances: Sequence[float],
    calls: Sequence[int],
    std: float,
) -> Errors:
    """Run the bed; a cell a sampler cannot make is left out.

    Args:
        params: Which mixtures, how many samples of each.
        results: For the intervals.
        names: Samplers of the bed.
        guidances: 0 is none.
        calls: Of the network.
        std: Of the mixtures' modes.
    """
    found: dict[tuple[str, float, int], list[float]] = {}
    with Progress("samplers", len(params.mixtures)) as progress:
        for i, seed in enumerate(params.mixtures):
            rows = table(
                names, guidances, calls, std=std, samples=params.samples, seed=seed
            )
            for row in rows:
                cell = row["sampler"], row["guidance"], row["nfe"]
                found.setdefault(cell, []).append(row["mse"])
            progress(i + 1, f"mixture {seed}")
    return Errors({cell: np.array(values) for cell, values in found.items()}, results)
