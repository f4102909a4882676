"""Evaluations of a study that never ran, for claims to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.evaluation import Episodes, write_evaluation
from tasks.artifacts.sealed import write_sealed
from tasks.claims.engine.results import Results

SEEDS = [0, 1, 2]
EPISODES = 20
RETURNS = {"resample_seed": 0, "resamples": 300, "confidence": 0.95}


def evaluated(
    dataset: str, learner: str, variant: str, seeds: list[int], episodes: int
) -> dict[str, Any]:
    """metrics.json of an evaluation, with figures that no claim reads."""
    return {
        "dataset": dataset,
        "learner": learner,
        "variant": variant,
        "mode": "exact",
        "episodes": episodes,
        "seeds": seeds,
        "score": dict.fromkeys(("mean", "iqm", "low", "high"), 0),
        "return": dict.fromkeys(("mean", "iqm", "low", "high"), 0),
        "per_seed": [],
    }


def write_scores(
    root: Path, scores: Mapping[tuple[str, str], float], length: int | None = None
) -> Results:
    """Episodes whose mean score is as told, by (dataset, policy), within about 0.5.

    Args:
        root: Folder of the artifacts.
        scores: By (dataset, policy).
        length: Of every episode, steps; None for their numbers.
    """
    draw = np.random.default_rng(0)
    n = np.arange(len(SEEDS) * EPISODES, dtype=np.int64)
    ended = np.zeros(len(n), bool)
    steps = n if length is None else np.full_like(n, length)
    for (data, policy), score in scores.items():
        folder = root / "datasets" / f"{data}-v0"
        folder.mkdir(parents=True, exist_ok=True)
        world = {"name": "w", "ref_min": 100.0, "ref_max": 300.0}
        write_sealed(folder / "world.json", {"schema": 2, "world": world})
        place = root / "evaluations" / data / policy / "float32"
        place.mkdir(parents=True)
        returns = 100 + 2 * score + draw.normal(size=len(n))
        starts = n % EPISODES
        table = Episodes(n // EPISODES, starts, starts, returns, steps, ended)
        names = (data, policy, "float32")
        write_evaluation(place, table, evaluated(*names, SEEDS, EPISODES))
    study: dict[str, Any] = {
        "name": "s",
        "seeds": SEEDS,
        "datasets": list(dict.fromkeys(data for data, _ in scores)),
        "learners": list(dict.fromkeys(policy for _, policy in scores)),
    }
    return Results({"study": study, "evaluate": {"returns": RETURNS}}, root)
