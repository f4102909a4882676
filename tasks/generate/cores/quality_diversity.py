"""What quality-diversity searches share: an archive of elites, and variation.

Shapes: N solutions, G numbers in a genome, D measures, C cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]

RANDOM, VARIATION, GRADIENT, INJECTED = range(4)  # who made a solution
OPERATORS = ("random", "variation", "gradient", "injected")


@dataclass(frozen=True)
class Elites:
    """The filled cells of an archive, N of them, by ascending cell.

    Attributes:
        cell: (N,).
        genome: (N, G).
        objective: (N,), undiscounted return in the evaluation that won the cell.
        measures: (N, D), normalised, of the same evaluation.
        generation: (N,), the iteration that found it.
        operator: (N,), who made it, a number of ``OPERATORS``.
    """

    cell: Counts
    genome: Array
    objective: Doubles
    measures: Doubles
    generation: Counts
    operator: Counts

    def __len__(self) -> int:
        """N."""
        return len(self.cell)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All fields as tensors, for files."""
        return {k: torch.from_numpy(np.array(v)) for k, v in vars(self).items()}

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor]) -> "Elites":
        """Elites from what :meth:`tensors` gave."""
        names = cls.__dataclass_fields__
        return cls(**{name: tensors[name].numpy() for name in names})


class Archive:
    """The best solution of each cell of a centroidal Voronoi tessellation.

    The cells share [-1, 1]^D. pyribs' ``CVTArchive`` keeps it: a solution enters an
    empty cell, or replaces one with a lower objective.

    Args:
        genes: G.
        measures: D.
        cells: C, number of centroids.
        samples: Points that k-means finds the centroids of.
        seed: Of the points and of k-means.
        qd_offset: Added to each objective in the QD score.

    Attributes:
        centroids: (C, D), normalised.

    Raises:
        RefusedError: If pyribs is not installed.
    """

    def __init__(
        self,
        genes: int,
        measures: int,
        cells: int,
        samples: int,
        seed: int,
        qd_offset: float = 0.0,
    ) -> None:
        self._ribs = ribs = archives()
        self.qd_offset, ranges = qd_offset, [(-1.0, 1.0)] * measures
        centroids: Doubles = _centroids(ribs, cells, ranges, samples, seed)
        self._archive = ribs.CVTArchive(
            solution_dim=genes,
            centroids=centroids,
            ranges=ranges,
            solution_dtype=np.float32,
            extra_fields={"generation": ((), np.int64), "operator": ((), np.int64)},
        )
        self.centroids = centroids

    def add(
        self,
        genome: Array,
        objective: Doubles,
        measures: Doubles,
        generation: int | Counts,
        operator: int | Counts,
    ) -> Counts:
        """Offer N solutions.

        Args:
            genome: (N, G).
            objective: (N,), undiscounted return.
            measures: (N, D), normalised.
            generation: The iteration, one for all or (N,).
            operator: Who made them, one for all or (N,), a number of ``OPERATORS``.

        Returns:
            How each fared, (N,): 0 it was not better than what its cell held, 1 it
            replaced that, 2 the cell was empty.

        Raises:
            RefusedError: If an objective or a measure is not finite or outside [-1, 1].
        """
        good = np.isfinite(objective) & (np.abs(measures) <= 1).all(1)
        if not good.all():
            k = int(np.flatnonzero(~good)[0])
            raise RefusedError(
                "archive",
                f"solution {k}",
                f"objective {objective[k]}, measures {measures[k].tolist()}",
                "finite numbers, measures in [-1, 1]",
                "mend the world's reward or descriptor",
            )
        count = len(genome)
        added = self._archive.add(
            genome,
            objective,
            measures,
            generation=np.broadcast_to(generation, count),
            operator=np.broadcast_to(operator, count),
        )
        return np.asarray(added["status"], np.int64)

    def elites(self) -> Elites:
        """The best solution of each filled cell."""
        data = self._archive.data()
        order = np.argsort(data["index"])
        return Elites(
            cell=data["index"][order].astype(np.int64),
            genome=data["solution"][order],
            objective=data["objective"][order],
            measures=data["measures"][order],
            generation=data["generation"][order],
            operator=data["operator"][order],
        )

    def restore(self, elites: Elites) -> None:
        """Hold these elites and nothing else."""
        self._archive.clear()
        e = elites
        self.add(e.genome, e.objective, e.measures, e.generation, e.operator)

    @property
    def cell_width(self) -> float:
        """Side of a cube as large as a mean cell: 2 / C^(1/D)."""
        cells, measures = self.centroids.shape
        return float(2 / cells ** (1 / measures))

    def figures(self) -> dict[str, float]:
        """``qd_score`` (sum of objective + offset), ``coverage`` (share), ``best``."""
        objective = self._archive.data("objective")
        return {
            "qd_score": float((objective + self.qd_offset).sum()),
            "coverage": len(objective) / len(self.centroids),
            "best": float(objective.max(initial=-np.inf)),
        }


def archives() -> Any:
    """Pyribs' archives.

    Raises:
        RefusedError: If it is not installed.
    """
    try:
        import ribs.archives
    except ImportError:
        raise RefusedError(
            PARAMS,
            "method",
            "a search that needs pyribs, which is not installed",
            "the extra qd",
            "run: pip install -e .[qd]",
        ) from None
    return ribs.archives


def _centroids(
    ribs: Any, cells: int, ranges: list[tuple[float, float]], samples: int, seed: int
) -> Doubles:
    """Centres of k-means, (C, D); by one thread, as several may sum differently."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        centroids = ribs.k_means_centroids(
            centroids=cells, ranges=ranges, samples=samples, seed=seed
        )
    return np.asarray(centroids[0], np.float64)


def iso_line(
    elites: Elites,
    count: int,
    iso_sigma: float,
    line_sigma: float,
    draw: np.random.Generator,
) -> Array:
    """Iso+LineDD variation: (count, G). Vassiliades & Mouret 2018, arXiv 1804.03906.

        child = x1 + N(0, iso_sigma² I) + (x2 - x1) n,  n ~ N(0, line_sigma²)

    with one scalar n a child, x1 and x2 drawn evenly from the elites.

    Args:
        elites: The parents, N of them.
        count: Children.
        iso_sigma: Deviation in every direction, >= 0.
        line_sigma: Deviation along the line to the other parent, >= 0.
        draw: The only source of chance.

    Raises:
        RefusedError: If there are fewer than two elites.
    """
    if len(elites) < 2:
        raise RefusedError(
            "archive",
            "elites",
            len(elites),
            "at least 2, as every child has two parents",
            "raise evaluations, or mend the world's descriptor",
        )
    x1, x2 = elites.genome[draw.integers(0, len(elites), (2, count))]
    noise = draw.standard_normal(x1.shape, np.float32) * np.float32(iso_sigma)
    along = draw.standard_normal((count, 1), np.float32) * np.float32(line_sigma)
    return x1 + noise + (x2 - x1) * along
