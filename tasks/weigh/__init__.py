"""Weigh: how likely each transition of a dataset is to be drawn in training.

This file is what a weighting must keep to, the files it becomes, and the figures that
say what it does to the data:

    data/weights/<D>/<W>/weights.parquet   ``probability``, one row a transition
    data/weights/<D>/<W>/weights.json      parameters, hashes and the figures

Shapes: N transitions, n episodes, O observation.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.columns import read_columns
from tasks.artifacts.dataset_formats import Weighed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_sha256, sha256, whole_folder
from tasks.artifacts.method import Method, P
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.typed_json import read_typed
from tasks.artifacts.windows import Whole, episodes

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

Doubles = NDArray[np.float64]

SCHEMA = 1
WEIGHTS = Path("data/weights")
FILE = "weights.parquet"
BINS = 20  # of the distribution of returns
CHUNK = 65_536  # rows compared at once
JUMP = 1e-6  # between a next observation and the one after it, as the reference has it
SUM_SLACK = 1e-9  # rounding allowed of probabilities that add up to 1


class Weighting(Method[P], ABC):
    """One way of saying how likely each transition is to be drawn in training."""

    @abstractmethod
    def weigh(self, data: "Transitions") -> Doubles:
        """Probabilities of the transitions, which add up to 1.

        Args:
            data: The dataset.

        Returns:
            (N,), >= 0.

        Raises:
            RefusedError: If the dataset cannot be weighed so.
        """


def trajectories(data: "Transitions") -> tuple[Whole, Whole]:
    """First row and length of each episode, once its borders are checked.

    Args:
        data: The dataset.

    Returns:
        (n,) each.

    Raises:
        RefusedError: If there are fewer than two episodes, their numbers do not rise
            from 0 to n - 1, a return is not finite, or inside an episode an observation
            is not the next one of the row before, or a row terminated.
    """
    _, first, lengths = episodes(data)
    n, mend = len(data.returns), "write the dataset again, episode by episode"
    if n < 2:
        raise RefusedError(
            data.dataset_id,
            "episodes",
            n,
            "at least 2, as they are weighed against each other",
            "keep the borders between trajectories, or log more of them",
        )
    rising = np.diff(data.episode, prepend=0)
    numbered = len(first) == n and data.episode[-1] == n - 1
    if not numbered or not np.isin(rising, (0, 1)).all():
        numbers = f"numbers of {len(first)} episodes that do not rise from 0 to {n - 1}"
        raise RefusedError(
            data.dataset_id, "episodes", numbers, f"all {n} in order", mend
        )
    if not np.isfinite(data.returns).all():
        number = int(np.flatnonzero(~np.isfinite(data.returns))[0])
        value = f"{data.returns[number]} in episode {number}"
        raise RefusedError(
            data.dataset_id, "returns", value, "finite returns", "mend its rewards"
        )
    for start in range(0, len(data.episode) - 1, CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(data.episode) - 1))
        inside = rows[data.episode[rows] == data.episode[rows + 1]]
        gap = data.observation[inside + 1] - data.next_observation[inside]
        jumps = np.linalg.norm(gap.astype(np.float64), axis=1) > JUMP
        broken = inside[jumps | (data.terminated[inside] > 0)]
        if len(broken):
            raise RefusedError(
                data.dataset_id,
                f"episode {data.episode[broken[0]]}",
                f"a border between its steps, after row {broken[0]}",
                "one trajectory an episode",
                mend,
            )
    return first, lengths


def start_values(data: "Transitions", first: Whole) -> Doubles | None:
    """Return expected from the start of each episode, Vhat(s0).

    Vhat is the least-squares fit of the returns on the first observations, with
    intercept, over all episodes.

    Args:
        data: The dataset.
        first: First row of each episode.

    Returns:
        (n,), units of return; None where there are fewer than O + 2 episodes: the
        regression would go through all of them, and what is left over would be
        rounding.
    """
    starts = data.observation[first].astype(np.float64)
    n, width = starts.shape
    if n < width + 2:
        return None
    spread = starts.std(0)  # scaling changes no fit, but the rounding errors in it
    scaled = (starts - starts.mean(0)) / np.where(spread > 0, spread, 1)
    inputs = np.column_stack([np.ones(n), scaled])
    weights = np.linalg.lstsq(inputs, data.returns, rcond=None)[0]
    fitted: Doubles = inputs @ weights
    return fitted


def figures(
    data: "Transitions", weights: Doubles, ref_min: float, ref_max: float
) -> dict[str, Any]:
    """What the weights do to the data.

    G_i is the return of episode i, T_i its length and p_i the probability of each of
    its transitions.

    Args:
        data: The dataset.
        weights: p, (N,).
        ref_min: Return of score 0 in the dataset's world.
        ref_max: Return of score 100.

    Returns:
        ``v_plus``: positive-sided variance E[max(G - E G, 0)^2] over episodes, in units
        of return and of score / 100. ``effective_sample_size``: 1 / sum p^2, a share of
        N. ``mean_return``: sum_i T_i p_i G_i, ``uniform`` is before, ``weighted``
        after. ``start_return``: the same with the return expected from the start in
        place of G_i; it rises where lucky starts are favoured; None where there are too
        few episodes to fit it. ``distribution``: shares of the draws by return.
    """
    first, lengths = trajectories(data)
    each = np.bincount(data.episode, weights)  # T_i p_i, (n,)
    masses = {"uniform": lengths / lengths.sum(), "weighted": each}
    g = np.asarray(data.returns, np.float64)
    above = np.maximum(g - g.mean(), 0)
    v_plus = float(np.mean(above**2))
    edges = np.histogram_bin_edges(g, BINS)
    values = start_values(data, first)
    return {
        "episodes": len(g),
        "steps": len(weights),
        "v_plus": {"return": v_plus, "score": v_plus / (ref_max - ref_min) ** 2},
        "effective_sample_size": float(1 / (weights @ weights) / len(weights)),
        "mean_return": {name: float(mass @ g) for name, mass in masses.items()},
        "start_return": (
            None
            if values is None
            else {name: float(mass @ values) for name, mass in masses.items()}
        ),
        "distribution": {
            "edges": edges.tolist(),
            **{
                name: np.histogram(g, edges, weights=mass)[0].tolist()
                for name, mass in masses.items()
            },
        },
    }


def write_weights(folder: Path, weights: Doubles, about: Mapping[str, Any]) -> None:
    """Write both files, whole or not at all; the same weights give the same bytes.

    Args:
        folder: Of the dataset and weighting.
        weights: (N,), adding up to 1.
        about: What weights.json says beside its schema and the hash of the weights.
    """
    import pyarrow
    from pyarrow import parquet

    with whole_folder(folder) as place:
        table = pyarrow.table({"probability": weights})
        parquet.write_table(table, place / FILE, compression="zstd")
        write_sealed(
            place / "weights.json",
            {**about, "schema": SCHEMA, "weights_sha256": sha256(place / FILE)},
        )


def read_weights(folder: Path, data: "Transitions") -> tuple[Doubles, str]:
    """Read the weights of a dataset, and check that they are its own.

    Args:
        folder: Of the dataset and weighting.
        data: The dataset.

    Returns:
        The weights (N,), and the SHA-256 of their file.

    Raises:
        RefusedError: If a file is missing, its hash is not the stated one, the weights
            are of another dataset, or they are no probabilities of its transitions.
    """
    command = (
        f"python -m tasks.weigh --dataset {folder.parent.name} "
        f"--weighting {folder.name}"
    )
    mend = f"make it again with: {command}"
    about, path = folder / "weights.json", folder / FILE
    stated = read_typed(about, command, Weighed)
    check_sha256(path, stated["weights_sha256"], command)
    of, value = stated["dataset_sha256"], data.sha256
    if of != value:
        raise RefusedError(about, "dataset_sha256", of, value, mend)
    types, rows = {"probability": "double"}, len(data.reward)
    weights = read_columns(path, types, mend, rows)["probability"]
    total = math.fsum(weights) if np.isfinite(weights).all() else math.nan
    if not (weights >= 0).all() or not abs(total - 1) <= SUM_SLACK:
        raise RefusedError(
            path,
            "probability",
            f"{len(weights)} numbers that add up to {total:.12g}",
            f"{len(data.reward)} probabilities that add up to 1",
            mend,
        )
    return weights, stated["weights_sha256"]
