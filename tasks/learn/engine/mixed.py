"""Batches mixed with a dataset: a share of their rows is drawn of it.

As in Ball et al. 2023, "Efficient Online Reinforcement Learning with Offline Data"
(arXiv 2302.02948), where half of each batch is.

Shapes: S seeds, n rows of a batch, N transitions, O observation, A action.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.learn import ReplayLearner
from tasks.train.engine.minibatches import BLOCK
from tasks.train.engine.table import pack, spaces

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

ROWS = 1002  # stream of the rows; 1000 and 1001 are what a learner acts by


def rows_of(share: float, batch: int, name: str) -> int:
    """How many rows of a batch are the dataset's: the share, rounded.

    Args:
        share: In [0, 1).
        batch: B.
        name: The learner's, for errors.

    Raises:
        RefusedError: If it asks for both kinds of rows and leaves none of one.
    """
    rows = round(share * batch)
    if share and not 0 < rows < batch:
        raise RefusedError(
            PARAMS,
            f"learn.{name}.data_share",
            f"{share}, {rows} of {batch} rows",
            "a row of either kind in each batch",
            "change data_share or study.batch",
        )
    return rows


class Dataset:
    """Rows of a dataset for each update, drawn evenly and with replacement.

    Args:
        learner: Whose seeds, spaces and columns.
        data: Recorded in the world that the learner acts in.
        rows: n.

    Raises:
        RefusedError: If widths, bounds or kind of actions are not the world's, or the
            data cannot be trained on.
    """

    def __init__(
        self, learner: ReplayLearner[Any], data: "Transitions", rows: int
    ) -> None:
        self.learner, self.rows = learner, rows
        own, other = _said(learner.spaces), _said(spaces(data))
        for name, value in own.items():
            if other[name] != value:
                found, mend = f"{other[name]!s:.80}", "mix with data of this world"
                expected = f"{value!s:.80}, as of the world that is played"
                raise RefusedError(data.dataset_id, name, found, expected, mend)
        self.table = pack(learner, data)
        o, a = learner.spaces.observation, learner.spaces.action
        self.cuts = [o, a, 1, 1, o, *(a for _ in learner.columns)]
        self.block = -1  # which was drawn

    def __call__(self, update: int) -> list[Tensor]:
        """Columns (S, n, width) of an update: o, a, r, o', d, then the learner's."""
        block, i = divmod(update, BLOCK)
        seeds = self.learner.seeds
        if block != self.block:
            self.block = block
            draws = [np.random.default_rng([k, block, ROWS]) for k in seeds]
            shape, n = (BLOCK, self.rows), len(self.table)
            self.places = np.stack([g.integers(0, n, shape) for g in draws], axis=1)
        drawn = self.table[torch.from_numpy(self.places[i])]
        o, a, r, d, o2, *more = torch.split(drawn, self.cuts, dim=-1)
        return [o, a, r, o2, d, *more]


def _said(its: Any) -> dict[str, Any]:
    """What two spaces must agree in, by name."""
    return {
        "observation": its.observation,
        "discrete": its.discrete,
        "legal": its.masked,
        "action_low": its.action_low.tolist(),
        "action_high": its.action_high.tolist(),
    }
