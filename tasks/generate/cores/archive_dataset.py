"""A quality-diversity archive becomes a dataset.

For each filled cell that is taken, by ascending number: its elite acts for some
episodes, whose start seeds are a hash of the dataset's seed, the cell and the episode's
own number. What an episode then did is measured again; how far that lies from what the
archive says is the archive's reproducibility error.

Shapes: N elites, G numbers in a genome, D measures.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import OneOf, Params, Range
from tasks.artifacts.seeding import seed_of
from tasks.generate.cores.descriptors import Doubles, Measures
from tasks.generate.cores.policy_batch import Act, Arena
from tasks.generate.cores.quality_diversity import OPERATORS, Array, Elites
from tasks.generate.engine.recording import check_count

SHORTEST = 2  # steps; a shorter episode tells a learner next to nothing

Decode = Callable[[Array], Act]  # genomes (n, G) -> their policies, row by row
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ReplayParams(Params):
    """How much of an archive becomes episodes; a method's YAML has the ranges."""

    episodes_per_cell: Annotated[int, Range(1, 1000)]
    top_fraction: Annotated[float, Range(0, 1)]
    max_per_cell_steps: Annotated[int | None, Range(1, 10**9)]
    cell_weights: Annotated[str, OneOf(("uniform", "objective"))]


def episode_counts(elites: Elites, params: ReplayParams) -> Counts:
    """How many episodes each elite plays, (N,); 0 outside the best ``top_fraction``.

    ``uniform``: ``episodes_per_cell`` each. ``objective``: as many in all, shared in
    proportion to objective - lowest objective taken, at least one each.
    """
    count = max(1, round(params.top_fraction * len(elites)))
    best = np.sort(np.argsort(-elites.objective, kind="stable")[:count])
    counts = np.zeros(len(elites), np.int64)
    counts[best] = params.episodes_per_cell
    if params.cell_weights == "objective":
        above = elites.objective[best] - elites.objective[best].min()
        if above.sum() > 0:
            share = above / above.sum() * params.episodes_per_cell * count
            counts[best] = np.maximum(1, np.rint(share).astype(np.int64))
    return counts


def genome_sha256(genome: Array) -> str:
    """Hash of one genome (G,)."""
    return hashlib.sha256(
        np.ascontiguousarray(genome, np.float32).tobytes()
    ).hexdigest()


def replay(
    elites: Elites,
    decode: Decode,
    arena: Arena,
    measures: Measures,
    params: ReplayParams,
    seed: int,
    source: str,
) -> tuple[list[Episode], dict[str, Any]]:
    """Let the elites of an archive act again.

    Args:
        elites: Of the archive, at least one.
        decode: Makes policies of genomes.
        arena: Where they act.
        measures: Of the same world.
        params: Which elites, and how often.
        seed: Of the dataset.
        source: Name of the method; marks the episodes.

    Returns:
        Episodes by ascending cell, each with metadata ``cell``, ``measures`` (of the
        elite, units of the world), ``measured`` (in this episode), ``objective``,
        ``generator``, ``generation``, ``operator`` and ``genome_sha256``; and figures
        for the card: cells taken, the reproducibility error and episodes dropped.

    Raises:
        RefusedError: If no episode is left, or there would be too many.
    """
    counts = episode_counts(elites, params)
    check_count(int(counts.sum()), f"archive of {source}")
    rows = np.repeat(np.arange(len(elites)), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    seeds = [
        seed_of(seed, int(elites.cell[row]), int(k))
        for row, k in zip(rows, numbers, strict=True)
    ]
    played = arena.play(lambda part: decode(elites.genome[rows[part]]), seeds, source)
    reached = measures.of(played)  # (episodes, D)
    kept = _kept(rows, [len(episode) for episode in played], params.max_per_cell_steps)
    if not kept.any():
        raise RefusedError(
            f"archive of {source}",
            "episodes",
            f"{len(played)}, all shorter than {SHORTEST} steps",
            f"at least one of {SHORTEST} steps",
            "search longer, or start where the task does not end at once",
        )
    own, again = measures.units(elites.measures), measures.units(reached)
    episodes = [
        replace(
            played[i],
            metadata={
                "cell": int(elites.cell[row]),
                "measures": own[row],
                "measured": again[i],
                "objective": float(elites.objective[row]),
                "generator": source,
                "generation": int(elites.generation[row]),
                "operator": OPERATORS[int(elites.operator[row])],
                "genome_sha256": genome_sha256(elites.genome[row]),
            },
        )
        for i, row in enumerate(rows)
        if kept[i]
    ]
    returns = np.array([episode.ret for episode in played])
    short = sum(len(episode) < SHORTEST for episode in played)
    figures = {
        "cells_taken": int((counts > 0).sum()),
        "episodes_short": short,
        "episodes_over_steps": len(played) - len(episodes) - short,
        "reproducibility": {
            "descriptor_error": error(reached, elites.measures[rows]),
            "return_error": float(np.abs(returns - elites.objective[rows]).mean()),
        },
    }
    return episodes, figures


def error(reached: Doubles, expected: Doubles) -> float:
    """Mean distance between measures (N, D), normalised: 2 is a whole axis."""
    return float(np.linalg.norm(reached - expected, axis=1).mean())


def _kept(
    rows: NDArray[np.intp], lengths: list[int], most: int | None
) -> NDArray[np.bool_]:
    """Which episodes stay: long enough, and a cell's steps within its budget.

    The first one of a cell that is long enough always stays.

    Args:
        rows: Which elite played each episode.
        lengths: Of the episodes, steps.
        most: Steps a cell may have; None for no bound.
    """
    kept = np.array(lengths) >= SHORTEST
    steps: dict[int, int] = {}
    for i in map(int, np.flatnonzero(kept)):
        before = steps.get(int(rows[i]), 0)
        if most is not None and before and before + lengths[i] > most:
            kept[i] = False
            continue
        steps[int(rows[i])] = before + lengths[i]
    return kept
