"""The dataset card: what a dataset holds, in figures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.actions import flat_actions
from tasks.artifacts.episodes import Episode, Floats
from tasks.artifacts.transitions import divisor

if TYPE_CHECKING:
    from tasks.worlds import World

SCHEMA = 1
BINS = 20  # of the histogram of returns
CELLS = 32  # a side of the coverage grid


def card(
    dataset_id: str, episodes: Sequence[Episode], world: "World", sha256: str
) -> dict[str, Any]:
    """Figures of a dataset, as card.json holds them.

    Args:
        dataset_id: With version.
        episodes: All of them, checked.
        world: Where they were made; its reference scores normalise the returns.
        sha256: Of main_data.hdf5.
    """
    returns = np.array([episode.ret for episode in episodes])
    lengths = np.array([len(episode) for episode in episodes])
    observations = np.concatenate([episode.observations for episode in episodes])
    actions = flat_actions(
        np.concatenate([episode.actions for episode in episodes]), world.action_space
    )
    counts, edges = np.histogram(returns, BINS)
    return {
        "schema": SCHEMA,
        "dataset_id": dataset_id,
        "world": world.params.name,
        "env_id": world.params.env_id,
        "episodes": len(episodes),
        "steps": int(lengths.sum()),
        "return": {
            "min": float(returns.min()),
            "mean": float(returns.mean()),
            "median": float(np.median(returns)),
            "max": float(returns.max()),
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        },
        "score_mean": float(world.score(returns).mean()),
        "length": {
            "min": int(lengths.min()),
            "mean": float(lengths.mean()),
            "max": int(lengths.max()),
        },
        "terminated": _share(episodes, "terminations"),
        "truncated": _share(episodes, "truncations"),
        "observation": _spread(observations),
        "action": _spread(actions),
        "coverage": coverage(observations),
        "sources": _sources(episodes),
        "sha256": sha256,
    }


def coverage(observations: Floats) -> dict[str, Any]:
    """How much of its own plane the data fills.

    Observations are standardised, turned onto their two principal
    axes, each axis scaled to unit variance, and counted in a grid of 32 x 32 cells from
    -3 to 3; what lies outside counts in the border cells. One path walked again and
    again fills few cells, many different ones fill many.

    Args:
        observations: (N, O), units of the world.

    Returns:
        ``cells``, ``occupied`` (how many hold an observation) and their quotient
        ``share``, 0..1; ``axes`` is the number of axes, 1 where O is 1, else 2.
    """
    x = observations.astype(np.float64)
    x = (x - x.mean(axis=0)) / divisor(x.std(axis=0), np.abs(x).max(axis=0))
    variances, axes = np.linalg.eigh(x.T @ x / len(x))
    count = min(2, x.shape[1])
    plane = x @ axes[:, -count:] / np.sqrt(variances[-count:] + 1e-6)
    cell = np.clip((plane + 3) * (CELLS / 6), 0, CELLS - 1).astype(np.int64)
    occupied = len(np.unique(cell @ (CELLS ** np.arange(count))))
    cells = CELLS**count
    return {
        "axes": count,
        "cells": cells,
        "occupied": occupied,
        "share": occupied / cells,
    }


def _share(episodes: Sequence[Episode], flag: str) -> float:
    """Share of episodes that ended by a flag."""
    return float(np.mean([getattr(episode, flag)[-1] for episode in episodes]))


def _spread(values: NDArray[Any]) -> dict[str, list[float]]:
    """Minimum, mean, maximum and deviation of each column."""
    values = values.astype(np.float64)
    return {
        name: getattr(values, name)(axis=0).tolist()
        for name in ("min", "mean", "max", "std")
    }


def _sources(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """What each policy that acted gave, in order of appearance."""
    parts: dict[str, list[Episode]] = {}
    total = sum(len(episode) for episode in episodes)
    for episode in episodes:
        parts.setdefault(episode.source, []).append(episode)
    return [
        {
            "name": name,
            "episodes": len(part),
            "steps": (steps := sum(len(episode) for episode in part)),
            "share": steps / total,
            "return_mean": float(np.mean([episode.ret for episode in part])),
        }
        for name, part in parts.items()
    ]
