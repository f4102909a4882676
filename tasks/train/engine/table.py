"""From a dataset to one table, of whose rows minibatches are made.

Shapes: N transitions, O observation, A action, W width of the table.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.mapped import blank, release
from tasks.artifacts.transitions import divisor
from tasks.train import Learner, Spaces

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

CHUNK = 65_536  # rows packed at once
BOUNDS_SLACK = 1e-5  # rounding allowed of an action scaled to [-1, 1]


def spaces(data: "Transitions") -> Spaces:
    """Widths, statistics and bounds of a dataset."""
    mean, std = _pair_statistics(data)
    return Spaces(
        torch.as_tensor(data.observation_mean, dtype=torch.float32),
        torch.as_tensor(data.observation_std, dtype=torch.float32),
        torch.as_tensor(data.action_low, dtype=torch.float32),
        torch.as_tensor(data.action_high, dtype=torch.float32),
        data.discrete,
        data.legal is not None,
        data.attacked is not None,
        mean,
        std,
    )


def _pair_statistics(data: "Transitions") -> tuple[Tensor, Tensor]:
    """Mean and divisor over observations and next observations, (O,) each."""
    n, width = data.observation.shape
    total, squares, largest = np.zeros(width), np.zeros(width), np.zeros(width)
    sides = (data.observation, data.next_observation)
    cuts = [slice(first, first + CHUNK) for first in range(0, n, CHUNK)]
    for rows in cuts:
        total += sum(side[rows].sum(axis=0, dtype=np.float64) for side in sides)
    mean = total / (2 * n)
    for rows in cuts:
        squares += sum(np.square(side[rows] - mean).sum(axis=0) for side in sides)
        for side in sides:
            largest = np.maximum(largest, np.abs(side[rows]).max(axis=0))
    release(*sides)
    std = divisor(np.sqrt(squares / (2 * n)), largest)
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def pack(learner: Learner[Any], data: "Transitions") -> Tensor:
    """Put all that a learner reads of a transition into one row of a table.

    Args:
        learner: Says which columns it needs, which rows, and how it scales rewards.
        data: The dataset.

    Returns:
        (N, W) float32: normalised observation, action in [-1, 1] or one-hot, reward as
        the learner wants it, terminated, normalised next observation, then the
        learner's columns in their order. N counts the learner's rows alone. A large
        table lies in a memory-mapped file. Actions of a corrupted dataset stay as they
        are, outside [-1, 1] too.

    Raises:
        RefusedError: If a number is not finite or an action lies outside its bounds.
    """
    returns = torch.as_tensor(data.returns, dtype=torch.float64)
    reward = learner.rewards(_floats(data.reward), returns)
    s, n, a = learner.spaces, len(data.reward), learner.spaces.action
    width = 2 * s.observation + a + 2 + sum(widths(learner))
    table = blank((n, width), np.float32)
    excess, mend = 0.0, "generate the dataset again"
    corrupted = data.attacked is not None
    for first in range(0, n, CHUNK):
        rows = np.arange(first, min(first + CHUNK, n))
        scaled = _scaled(s, data, rows)
        chunk = torch.cat(
            [
                (_floats(data.observation[rows]) - s.observation_mean)
                / s.observation_std,
                scaled if corrupted else scaled.clamp(-1, 1),
                reward[rows, None],
                _floats(data.terminated[rows])[:, None],
                (_floats(data.next_observation[rows]) - s.observation_mean)
                / s.observation_std,
                *(_column(name, s, data, rows) for name in learner.columns),
            ],
            dim=1,
        )
        if not chunk.isfinite().all():
            row = first + int((~chunk.isfinite()).any(1).nonzero()[0])
            number = f"a number in row {row} that is not finite"
            raise RefusedError(data.dataset_id, "rows", number, "finite numbers", mend)
        excess = max(excess, float(scaled.abs().max()))
        table[rows] = chunk
    if excess > 1 + BOUNDS_SLACK and not corrupted:
        raise RefusedError(
            data.dataset_id, "action", f"{excess:.6g} scaled", "[-1, 1]", mend
        )
    chosen = learner.rows(data)
    if chosen is not None:
        whole, table = table, blank((len(chosen), width), np.float32)
        for first in range(0, len(chosen), CHUNK):
            rows = chosen[first : first + CHUNK]
            table[first : first + CHUNK] = whole[rows]
    release(data.observation, data.next_observation, data.action, table)
    return torch.from_numpy(table)


def widths(learner: Learner[Any]) -> list[int]:
    """Widths of the learner's columns, in their order."""
    a = learner.spaces.action
    return [1 if name == "attacked" else a for name in learner.columns]


def _floats(values: NDArray[Any]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)


def _scaled(s: Spaces, data: "Transitions", rows: NDArray[np.int64]) -> Tensor:
    """Actions in [-1, 1], or one-hot."""
    action = _floats(data.action[rows])
    low, high = s.action_low, s.action_high
    if s.discrete:
        return action
    half = torch.where(high > low, (high - low) / 2, 1.0)  # a locked one is always 0
    return (action - (high + low) / 2) / half


def _column(
    name: str, s: Spaces, data: "Transitions", rows: NDArray[np.int64]
) -> Tensor:
    """Some rows of a column of ``tasks.train.COLUMNS``, (rows, A) or (rows, 1)."""
    if name == "next_action":
        after = np.minimum(rows + 1, len(data.episode) - 1)
        same = (data.episode[after] == data.episode[rows]) & (after > rows)
        action = _scaled(s, data, after)
        action = action.clamp(-1, 1) if data.attacked is None else action
        return action * torch.from_numpy(same)[:, None]
    values = getattr(data, name)
    if name == "attacked":
        return _floats(values[rows])[:, None]
    if values is None:
        return torch.ones(len(rows), s.action)
    return _floats(values[rows])
