"""Where the steps of a dataset stand in their episodes, and windows of them."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions
    from tasks.nets.policy import Logged

Whole = NDArray[np.int64]


def episodes(data: "Transitions") -> tuple[Whole, Whole, Whole]:
    """Where the rows of a dataset stand in their episodes.

    Returns:
        Step number of each row, (N,), 0 at an episode's first; first row and length of
        each episode, (episodes,) each.
    """
    _, first, lengths = np.unique(data.episode, return_index=True, return_counts=True)
    step = np.arange(len(data.episode)) - np.repeat(first, lengths)
    return step, first, lengths


def returns_to_go(data: "Transitions") -> NDArray[np.float64]:
    """Undiscounted sum of rewards from each step to its episode's end, (N,)."""
    _, first, lengths = episodes(data)
    reward = np.asarray(data.reward, np.float64)
    total = np.append(np.cumsum(reward[::-1])[::-1], 0.0)  # to the dataset's end
    to_go: NDArray[np.float64] = total[:-1] - np.repeat(total[first + lengths], lengths)
    return to_go


def windows(data: "Transitions", at: Whole, length: int) -> "Logged":
    """Cut windows that end at given steps, as a policy with a memory reads them.

    Args:
        data: The dataset.
        at: (N,), rows.
        length: T, steps of a window, the last one being the step itself.

    Returns:
        (N, T, ...) each; what lies before an episode's first step is zero.
    """
    import torch

    from tasks.nets.policy import Logged

    step = episodes(data)[0]
    before = np.arange(1 - length, 1)
    inside = step[at][:, None] + before >= 0  # (N, T), of the episode
    rows = np.where(inside, at[:, None] + before, 0)

    def cut(column: NDArray[np.floating]) -> torch.Tensor:
        mask = inside.reshape(*inside.shape, *[1] * (column.ndim - 1))
        return torch.from_numpy((column[rows] * mask).astype(np.float32))

    return Logged(
        cut(data.observation),
        cut(data.action),
        cut(data.reward),
        cut(returns_to_go(data)),
        torch.from_numpy(step[at].astype(np.float32)),
    )
