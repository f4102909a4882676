"""Play whole episodes of a world, many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.worlds import Batch, Flags, Floats

# (observations of the live rows (L, O), their episode numbers (L,)) -> actions (L, A)
Act = Callable[[Floats, NDArray[np.int64]], Floats]


@dataclass(frozen=True)
class Played:
    """What came of N episodes.

    Attributes:
        returns: (N,), undiscounted, units of the world.
        lengths: (N,), steps.
        terminated: (N,), False where truncated.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    terminated: Flags


def play(
    batch: Batch,
    act: Act,
    start_seeds: Sequence[int],
    progress: Callable[[Played], Any] | None = None,
) -> Played:
    """Play one episode a start seed, all side by side.

    The network is fed the episodes that still live, so late steps are cheap.

    Args:
        batch: Where, N sub-environments.
        act: The policy; see ``Act``. Its actions are clipped to the world's bounds.
        start_seeds: N; an episode's start state depends on its seed alone.
        progress: Called after each step with the state so far.
    """
    n = len(start_seeds)
    so_far = Played(np.zeros(n), np.zeros(n, np.int64), np.zeros(n, bool))
    observation, _ = batch.reset(seed=list(start_seeds))
    space = batch.world.action_space
    actions = np.zeros((n, *space.low.shape), space.dtype)
    while (live := np.flatnonzero(~batch.ended)).size:
        actions[live] = np.clip(act(observation[live], live), space.low, space.high)
        observation, reward, terminated, _, _ = batch.step(actions)
        so_far.returns[live] += reward[live]
        so_far.lengths[live] += 1
        so_far.terminated[live] = terminated[live]
        if progress:
            progress(so_far)
    return so_far
