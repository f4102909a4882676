"""From a dataset to minibatches: one table, one gather a batch.

Everything random is stateless: block b of seed k is drawn from
``np.random.default_rng([k, b, stream])``, a block being :data:`BLOCK` updates, or
:data:`SHORT_BLOCK` for draws of several actions a row, which take much room. So a
seed's batches do not depend on the other seeds, and resuming needs no generator.

Shapes: N transitions, S seeds, B batch, O observation, A action, W width of the table.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.mapped import blank, release
from tasks.artifacts.transitions import STD_FLOOR
from tasks.train import Batch, Learner, Spaces

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions

Odds = NDArray[np.float64]

BLOCK = 256  # updates whose batches are drawn at once
CHUNK = 65_536  # rows packed at once
SHORT_BLOCK = 8
BOUNDS_SLACK = 1e-5  # rounding allowed of an action scaled to [-1, 1]


def spaces(data: "Transitions") -> Spaces:
    """Widths, statistics and bounds of a dataset."""
    mean, std = _pairs(data)
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


def _pairs(data: "Transitions") -> tuple[Tensor, Tensor]:
    """Mean and deviation + 1e-3 over observations and next observations, (O,) each."""
    n, width = data.observation.shape
    total, squares = np.zeros(width), np.zeros(width)
    sides = (data.observation, data.next_observation)
    cuts = [slice(first, first + CHUNK) for first in range(0, n, CHUNK)]
    for rows in cuts:
        total += sum(side[rows].sum(axis=0, dtype=np.float64) for side in sides)
    mean = total / (2 * n)
    for rows in cuts:
        squares += sum(np.square(side[rows] - mean).sum(axis=0) for side in sides)
    release(*sides)
    std = np.sqrt(squares / (2 * n)) + STD_FLOOR
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def pack(learner: Learner, data: "Transitions") -> Tensor:
    """One table, so that one gather makes a batch.

    Returns:
        (N, W) float32: normalised observation, action in [-1, 1] or one-hot, reward as
        the learner wants it, terminated, normalised next observation, then the
        learner's columns in their order. N counts the learner's rows alone. A large
        one lies in a file, see ``tasks.artifacts.mapped``. Actions of a corrupted
        dataset stay as they are, outside [-1, 1] too.

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
            found = f"a number in row {row} that is not finite"
            raise RefusedError(data.dataset_id, "rows", found, "finite numbers", mend)
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


def widths(learner: Learner) -> list[int]:
    """Of the learner's columns, in their order."""
    a = learner.spaces.action
    return [1 if name == "attacked" else a for name in learner.columns]


def _floats(values: NDArray[Any]) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)


def _scaled(s: Spaces, data: "Transitions", rows: NDArray[np.int64]) -> Tensor:
    """Actions in [-1, 1], or one-hot."""
    action = _floats(data.action[rows])
    low, high = s.action_low, s.action_high
    return action if s.discrete else (action - (high + low) / 2) / ((high - low) / 2)


def _column(
    name: str, s: Spaces, data: "Transitions", rows: NDArray[np.int64]
) -> Tensor:
    """A column of ``tasks.train.COLUMNS``, (rows, A) or (rows, 1)."""
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


def odds(learner: Learner, data: "Transitions") -> Odds | None:
    """The learner's weights, summed up row after row; None where it has none.

    Returns:
        As many as :func:`pack` has rows, rising to 1.

    Raises:
        RefusedError: If there are not N weights, or all the rows it learns from weigh
            nothing.
    """
    if learner.weights is None:
        return None
    weights, n = learner.weights, len(data.reward)
    if weights.shape != (n,):
        raise RefusedError(
            data.dataset_id,
            "weights",
            f"shape {weights.shape}",
            f"shape ({n},), one a transition",
            "weigh the dataset again",
        )
    chosen = learner.rows(data)
    total: Odds = np.cumsum(weights if chosen is None else weights[chosen])
    if not total[-1] > 0:
        raise RefusedError(
            data.dataset_id,
            "weights",
            f"0 on all {len(total)} rows that {type(learner).__name__} learns from",
            "weight on some of them",
            "take a weighting of every episode (scheme advantage or return), or a "
            "learner that learns from all rows, e.g. td3_bc, iql, cql or bc",
        )
    return total / total[-1]


def draw_rows(
    seeds: Sequence[int], block: int, batch: int, count: int, summed: Odds | None = None
) -> Tensor:
    """The rows of a block of updates, with replacement: stream 0 of each seed.

    Args:
        seeds: S of them.
        block: Its number, 0...
        batch: B.
        count: N; rows 0 to N - 1 are drawn.
        summed: From :func:`odds`; None draws evenly.

    Returns:
        (BLOCK, S * B) int64.
    """
    shape = (BLOCK, batch)
    every = []
    for seed in seeds:
        generator = np.random.default_rng([seed, block, 0])
        if summed is None:
            every.append(generator.integers(0, count, shape))
        else:  # the first row whose sum lies above a number of [0, 1)
            every.append(np.searchsorted(summed, generator.random(shape), "right"))
    return torch.from_numpy(np.stack(every, axis=1)).view(BLOCK, -1)


class Sampler:
    """Batches of any update, drawn a block at a time.

    Args:
        table: From :func:`pack`.
        learner: Whose seeds, widths and noise it draws for.
        batch: B.
        summed: From :func:`odds`, which says how likely each row is.

    Raises:
        ValueError: If the learner has weights and no odds are given.
    """

    def __init__(
        self, table: Tensor, learner: Learner, batch: int, summed: Odds | None = None
    ) -> None:
        if (learner.weights is None) != (summed is None):
            raise ValueError("a learner with weights needs their odds, and no other")
        self.table, self.learner, self.batch = table, learner, batch
        self.summed = summed
        o, a = learner.spaces.observation, learner.spaces.action
        self.cuts = [o, a, 1, 1, o, *widths(learner)]
        self.block = -1
        self.index: Tensor  # (BLOCK, S*B)
        self.draws = learner.draws()
        self.drawn: dict[str, tuple[int, Tensor]] = {}  # block; (its length, S, B, ...)

    def __call__(self, step: int) -> Batch:
        """The batch of one update."""
        block, i = divmod(step, BLOCK)
        if block != self.block:
            self.block = block
            self.index = draw_rows(
                self.learner.seeds, block, self.batch, len(self.table), self.summed
            )
        seeds = len(self.learner.seeds)
        rows = self.table.index_select(0, self.index[i])
        rows = rows.view(seeds, self.batch, -1)
        o, a, r, d, o2, *more = torch.split(rows, self.cuts, dim=-1)
        columns = dict(zip(self.learner.columns, more, strict=True))
        streams = enumerate(self.draws, start=1)
        noise = {name: self._noise(step, name, stream) for stream, name in streams}
        return Batch(o, a, r.squeeze(-1), o2, d.squeeze(-1), columns, noise)

    def _noise(self, step: int, name: str, stream: int) -> Tensor:
        """Stream 1, 2... of a seed give its noises."""
        draw = self.draws[name]
        length = BLOCK if draw.count is None else SHORT_BLOCK
        block, i = divmod(step, length)
        if name not in self.drawn or self.drawn[name][0] != block:
            lead, width = (length, self.batch), self.learner.spaces.action
            seeds = [
                draw.sample(np.random.default_rng([k, block, stream]), lead, width)
                for k in self.learner.seeds
            ]
            self.drawn[name] = block, torch.from_numpy(np.stack(seeds, axis=1))
        return self.drawn[name][1][i]
