"""10%-BC: behaviour cloning on the best episodes alone.

    G_i = sum_t discount^t r_t        of each of the n episodes
    L   = mean ||pi(s) - a||^2        over the floor(fraction n) episodes of largest G

Discrete actions have -mean log pi(a | s) instead. A baseline of Chen et al. 2021,
"Decision Transformer" (arXiv 2106.01345). Reference implementation: CORL
``any_percent_bc.py``; as there, the best are those of the largest discounted return. It
splits trajectories at termination or 1000 steps, where this file has the episodes
themselves.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.params import Range
from tasks.train.cores.cloning import Cloning, CloningParams

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions


@dataclass(frozen=True)
class BC10Params(CloningParams):
    """Parameters of 10%-BC; units and ranges stand in params/train/bc10.yaml."""

    fraction: Annotated[float, Range(0, 1, open=True)]
    discount: Annotated[float, Range(0, 1)]


class BC10(Cloning[BC10Params]):
    """Repeats the actions of the best episodes."""

    def rows(self, data: "Transitions") -> NDArray[np.int64] | None:
        """Numbers of the steps of the best episodes, of at least one episode.

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
    """Discounted return of each episode, sum_t discount^t r_t with t from 0.

    Args:
        data: The dataset.
        discount: Per step, in [0, 1].

    Returns:
        (episodes,), units of reward.
    """
    steps = np.bincount(data.episode)
    first = np.cumsum(steps) - steps
    t = np.arange(len(data.episode)) - first[data.episode]
    returns = np.zeros(len(steps))
    np.add.at(returns, data.episode, discount**t * data.reward)
    return returns
