"""10%-BC: behaviour cloning on the best trajectories alone.

A baseline of Chen et al. 2021, "Decision Transformer" (arXiv 2106.01345). Reference
implementation: CORL ``any_percent_bc.py``; as there, the best are those of the largest
discounted return. It splits trajectories at termination or 1000 steps, where this file
has the episodes themselves.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.params import Range
from tasks.train import Spaces
from tasks.train.cores.cloning import Cloning, CloningParams

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions


@dataclass(frozen=True)
class BC10Params(CloningParams):
    """See params/train/bc10.yaml for units and ranges."""

    fraction: Annotated[float, Range(0, 1, open=True)]
    discount: Annotated[float, Range(0, 1)]


class BC10(Cloning):
    """Repeats the actions of the best episodes."""

    Parameters = BC10Params

    def __init__(
        self, params: BC10Params, spaces: Spaces, seeds: Sequence[int], updates: int
    ) -> None:
        super().__init__(params, spaces, seeds, updates)
        self.params = params

    def rows(self, data: "Transitions") -> NDArray[np.int64] | None:
        """Steps of the best episodes: floor(fraction x episodes), at least one.

        Of equal returns the earlier episode is better. Where all are equal none is the
        best: then it warns and takes all rows.
        """
        returns = discounted(data, self.params.discount)
        if not returns.max() > returns.min():
            warnings.warn(
                f"{data.dataset_id}: all {len(returns)} episodes have the same "
                "discounted return, so bc10 learns from all of them, as bc does",
                stacklevel=2,
            )
            return None
        count = max(1, int(self.params.fraction * len(returns)))
        best = np.argsort(-returns, kind="stable")[:count]
        return np.flatnonzero(np.isin(data.episode, best))


def discounted(data: "Transitions", discount: float) -> NDArray[np.float64]:
    """Sum of discount^t reward_t of each episode, t from 0: (episodes,)."""
    steps = np.bincount(data.episode)
    first = np.cumsum(steps) - steps
    t = np.arange(len(data.episode)) - first[data.episode]
    returns = np.zeros(len(steps))
    np.add.at(returns, data.episode, discount**t * data.reward)
    return returns
