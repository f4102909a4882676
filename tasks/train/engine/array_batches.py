"""Minibatches of named arrays: rows drawn with replacement, and numbers of [0, 1).

As of transitions, block b of seed k is drawn from ``default_rng([k, b, stream])``
alone.

Shapes: N rows, S seeds, B batch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.arrays import TRAIN, Arrays
from tasks.train import PredictorLearner, Rows
from tasks.train.engine.minibatches import BLOCK, batches, draw_rows

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

SHORT, MOST = 8, 2**22  # updates whose numbers are drawn at once, numbers of a seed


class ArraySampler:
    """The batch of an update by its number.

    Args:
        learner: Whose seeds, arrays and random numbers it draws for.
        data: The arrays of the split ``train``, (N, ...) each, perhaps mapped.
        batch: B.
    """

    def __init__(
        self,
        learner: PredictorLearner[Any],
        data: Mapping[str, NDArray[Any]],
        batch: int,
    ) -> None:
        self.learner, self.batch = learner, batch
        self.data = {name: data[name] for name in learner.reads}
        self.count = len(next(iter(self.data.values())))
        self.shapes = learner.draws(batch)
        self.block, self.index = -1, torch.empty(0)
        self.drawn: dict[str, tuple[int, Tensor]] = {}

    def __call__(self, step: int) -> Rows:
        """The batch of update number ``step``."""
        seeds, device = self.learner.seeds, self.learner.device
        block, i = divmod(step, BLOCK)
        if block != self.block:
            self.block = block
            self.index = draw_rows(seeds, block, self.batch, self.count)
        at = self.index[i].numpy()
        arrays = {
            name: torch.from_numpy(x[at]).view(len(seeds), self.batch, *x.shape[1:])
            for name, x in self.data.items()
        }
        moved = {name: x.to(device) for name, x in arrays.items()}
        return Rows(moved, self._noise(step, seeds, device))

    def _noise(
        self, step: int, seeds: Sequence[int], device: torch.device
    ) -> dict[str, Tensor]:
        """Random numbers of an update, from stream 1, 2... of each seed."""
        noise = {}
        for stream, (name, shape) in enumerate(self.shapes.items(), start=1):
            length = max(1, min(SHORT, MOST // max(1, math.prod(shape))))
            block, i = divmod(step, length)
            if self.drawn.get(name, (-1,))[0] != block:
                each = [
                    np.random.default_rng([k, block, stream]).random(
                        (length, *shape), np.float32
                    )
                    for k in seeds
                ]
                drawn = torch.from_numpy(np.stack(each, 1)).to(device)
                self.drawn[name] = block, drawn
            noise[name] = self.drawn[name][1][i]
        return noise


def drawn(
    learner: Any, data: "Transitions | Arrays", batch: int
) -> Callable[[int], Any]:
    """What gives the batch of an update by its number.

    Args:
        learner: Of transitions, or of named arrays.
        data: The dataset.
        batch: B.
    """
    if isinstance(data, Arrays):
        return ArraySampler(learner, data.split(TRAIN), batch)
    return batches(learner, data, batch)
