"""How far a file's actions are from its parent's, the float32 file of the same seed.

Both are asked in the same situations: on logged states, drawn from the dataset, and on
states that the file itself visits while it is played. The second is where its errors
are felt: of two policies' returns the difference is the sum, over the states that the
one visits, of what its actions lose against the other's (Kakade and Langford 2002,
"Approximately optimal approximate reinforcement learning", lemma 6.1). It costs no
step of the world, since those states are met anyway.

Distances are absolute differences in half-ranges of the action; of discrete actions the
share of rows where they differ.

Shapes: B rows, A action.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.rows import load_rows
from tasks.evaluate.engine.sample import Sample

ROWS = 1000  # of the dataset, and of each seed's visited states
DRAW = 1  # of rows and noise; calibration rows are drawn with 0

Rows = Mapping[str, NDArray[Any]]


class Watched(OnnxPolicy):
    """A policy that keeps an even sample of the situations it acted in.

    Attributes:
        visited: Inputs by their names, and the carry as ``carry.<name>``.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.visited = Sample(ROWS)

    def step(self, inputs: Rows, carry: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
        """As of every policy."""
        carried = {f"carry.{name}": value for name, value in carry.items()}
        self.visited.see({**inputs, **carried})
        return super().step(inputs, carry)


def logged(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Observations of a dataset, (ROWS, O), and the legal actions there, if any.

    Args:
        folder: The dataset.

    Raises:
        RefusedError: If it is not the dataset that was written.
    """
    observation, legal = load_rows(folder, ROWS, np.random.default_rng(DRAW))
    return {"observation": observation} | ({} if legal is None else {"legal": legal})


def errors(
    files: Mapping[int, Watched], parents: Mapping[int, OnnxPolicy], rows: Rows
) -> dict[str, dict[str, float]]:
    """The block ``action_error`` of metrics.json.

    A policy with a memory is compared where it acted alone, as a logged row does not
    say what it remembers; one whose memory is not its parent's nowhere.

    Args:
        files: After they were played, by training seed.
        parents: Their float32 files.
        rows: Of :func:`logged`.

    Returns:
        ``data`` and ``visited``, as far as they can be told: ``mean``, and ``max``: the
        largest single difference, or of discrete actions the worst seed's share.
    """
    first = next(iter(files))
    carry = files[first].contract["carry"]
    if carry != parents[first].contract["carry"]:
        return {}
    situations = {"visited": {k: file.visited.rows() for k, file in files.items()}}
    if not carry:
        noisy = _with_noise(files[first], rows)
        situations["data"] = dict.fromkeys(files, noisy)
    return {
        where: _figures([_apart(files[k], parents[k], each[k]) for k in files])
        for where, each in sorted(situations.items())
    }


def _with_noise(policy: OnnxPolicy, rows: Rows) -> dict[str, NDArray[Any]]:
    """The rows, with standard normal noise where the policy is played with some."""
    if policy.acting != "normal":
        return dict(rows)
    shape = len(rows["observation"]), *policy.contract["inputs"]["noise"]["shape"][1:]
    noise = np.random.default_rng(DRAW).standard_normal(shape, np.float32)
    return {**rows, "noise": noise}


def _apart(file: OnnxPolicy, parent: OnnxPolicy, rows: Rows) -> NDArray[np.float64]:
    """Differences (B, A) in half-ranges; 0 or 1 (B,) of discrete actions."""
    head = "carry."
    carry = {k.removeprefix(head): v for k, v in rows.items() if k.startswith(head)}
    inputs = {k: v for k, v in rows.items() if not k.startswith(head)}
    ours, theirs = (  # without being watched again
        OnnxPolicy.step(policy, inputs, carry)[0]["action"] for policy in (file, parent)
    )
    stated = parent.contract["outputs"]["action"]
    if "n" in stated:
        return (ours != theirs).astype(np.float64)
    half = (np.asarray(stated["high"]) - np.asarray(stated["low"])) / 2
    return np.abs(ours.astype(np.float64) - theirs) / half


def _figures(apart: list[NDArray[np.float64]]) -> dict[str, float]:
    """Mean and largest of the seeds' differences."""
    worst = max(float(d.mean() if d.ndim == 1 else d.max()) for d in apart)
    return {"mean": float(np.mean([d.mean() for d in apart])), "max": worst}
