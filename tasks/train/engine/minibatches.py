"""Minibatches: rows of a table, gathered at once, and noise.

No generator is kept between batches: block b of seed k is drawn from
``np.random.default_rng([k, b, stream])``, a block being ``BLOCK`` updates, or
``SHORT_BLOCK`` for draws of several actions a row, which take much room. So a seed's
batches do not depend on the other seeds, and resuming needs no random state.

Shapes: N transitions, S seeds, B batch, O observation, A action, W width of the table.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.train import Batch, Learner
from tasks.train.engine.table import pack, widths

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

Rows = tuple[Tensor, ...]  # columns of an update's rows, (S, B, ...) each
Odds = NDArray[np.float64]  # cumulative probabilities of rows, the last one 1

BLOCK = 256  # updates whose batches are drawn at once
SHORT_BLOCK = 8  # the same for draws of several actions a row
GATHERED = 2**19  # bytes of rows that are gathered at once: they stay in the cache


def batches(
    learner: Learner[Any], data: "Transitions", batch: int
) -> Callable[[int], Any]:
    """What gives the batch of an update by its number, 0...

    Args:
        learner: It may bring its own sampler.
        data: The dataset.
        batch: B, rows an update and seed.

    Raises:
        RefusedError: If the learner cannot be trained on the data.
    """
    own = learner.sampler(data, batch)
    if own is not None:
        return own
    return Sampler(pack(learner, data), learner, batch, odds(learner, data))


def odds(learner: Learner[Any], data: "Transitions") -> Odds | None:
    """The learner's weights, summed up row after row; None where it has none.

    Args:
        learner: Its ``weights`` and ``rows`` count.
        data: The dataset.

    Returns:
        (N,), one for each row of the table, rising to 1.

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
    """Draw the rows of a block of updates with replacement, by stream 0 of each seed.

    Args:
        seeds: S of them.
        block: Number of the block, 0...
        batch: B.
        count: N; rows 0 to N - 1 are drawn.
        summed: Cumulative probabilities of the rows, (N,); None draws evenly.

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
    """Batches of single transitions, drawn a block of updates at a time.

    Args:
        table: What :func:`pack` makes of the dataset, (N, W).
        learner: Whose seeds, widths and noise it draws for.
        batch: B.
        summed: Cumulative probabilities of the rows, (N,), of a learner with weights.

    Raises:
        ValueError: If the learner has weights and no odds are given.
    """

    def __init__(
        self,
        table: Tensor,
        learner: Learner[Any],
        batch: int,
        summed: Odds | None = None,
    ) -> None:
        if (learner.weights is None) != (summed is None):
            raise ValueError("a learner with weights needs their odds, and no other")
        self.device = learner.device
        self.table, self.learner, self.batch = table.to(self.device), learner, batch
        self.summed = summed
        o, a = learner.spaces.observation, learner.spaces.action
        self.cuts = [o, a, 1, 1, o, *widths(learner)]
        self.block = -1
        self.index: Tensor  # (BLOCK, S*B)
        needed = max(1, 4 * len(learner.seeds) * batch * table.shape[1])
        self.ahead = min(BLOCK, 2 ** (max(1, GATHERED // needed).bit_length() - 1))
        self.first, self.gathered = -1, list[Rows]()  # of updates from the first on
        self.noises = Noises(learner, batch)

    def __call__(self, step: int) -> Batch:
        """The batch of update number ``step``."""
        first = step - step % self.ahead
        if first != self.first:
            self.first, self.gathered = first, self._gather(first)
        o, a, r, d, o2, *more = self.gathered[step - first]
        columns = dict(zip(self.learner.columns, more, strict=True))
        return Batch(o, a, r, o2, d, columns, self.noises(step))

    def rows(self, block: int) -> Tensor:
        """Numbers of the rows of a block of updates, (BLOCK, S * B) int64."""
        count = len(self.table)
        return draw_rows(self.learner.seeds, block, self.batch, count, self.summed)

    def _gather(self, first: int) -> list[Rows]:
        """The rows of ``ahead`` updates, cut into columns."""
        block, i = divmod(first, BLOCK)
        if block != self.block:
            self.block = block
            self.index = self.rows(block).to(self.device)
        rows = self.table.index_select(0, self.index[i : i + self.ahead].view(-1))
        rows = rows.view(self.ahead, len(self.learner.seeds), self.batch, -1)
        o, a, r, d, *more = torch.split(rows, self.cuts, dim=-1)
        single = (x.squeeze(-1).contiguous() for x in (r, d))  # each used many times
        columns = [o, a, *single, *more]
        return list(zip(*(x.unbind(0) for x in columns), strict=True))


class Noises:
    """The random numbers of a learner's updates, drawn a block at a time.

    Args:
        learner: Whose seeds and draws.
        batch: B.
    """

    def __init__(self, learner: Learner[Any], batch: int) -> None:
        self.learner, self.batch = learner, batch
        self.draws = learner.draws()
        self.drawn: dict[str, tuple[int, Sequence[Tensor]]] = {}  # block; (S, B, ...)

    def __call__(self, step: int) -> dict[str, Tensor]:
        """Those of an update, by name: (S, B, ...) each."""
        streams = enumerate(self.draws, start=1)
        return {name: self._noise(step, name, stream) for stream, name in streams}

    def _noise(self, step: int, name: str, stream: int) -> Tensor:
        """A noise of the learner, from stream 1, 2... of each seed: (S, B, ...)."""
        draw = self.draws[name]
        length = BLOCK if draw.count is None else SHORT_BLOCK
        block, i = divmod(step, length)
        if name not in self.drawn or self.drawn[name][0] != block:
            lead, width = (length, self.batch), self.learner.spaces.action
            seeds = [
                draw.sample(np.random.default_rng([k, block, stream]), lead, width)
                for k in self.learner.seeds
            ]
            noise = torch.from_numpy(np.stack(seeds, axis=1)).to(self.learner.device)
            self.drawn[name] = block, noise.unbind(0)
        return self.drawn[name][1][i]
