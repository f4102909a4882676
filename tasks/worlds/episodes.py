"""Play whole episodes of a world, many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.worlds import Batch, Flags, Floats

# (observations of the live rows (L, O), their episode numbers (L,)) -> actions (L, A)
Act = Callable[[Floats, NDArray[np.int64]], Floats]
TELL_EVERY = 50  # steps


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
    progress: Callable[[int, NDArray[np.float64], int], None] | None = None,
) -> Played:
    """Play one episode a start seed, all side by side.

    The network is fed the episodes that still live, so late steps are cheap.

    Args:
        batch: Where, N sub-environments.
        act: The policy; see ``Act``. Its actions lie inside the world's bounds.
        start_seeds: N; an episode's start state depends on its seed alone.
        progress: Called every 50 steps and at the end with steps taken, returns so far
            (N,), and how many episodes still live.
    """
    n = len(start_seeds)
    returns, terminated = np.zeros(n), np.zeros(n, bool)
    space = batch.world.action_space
    actions = np.zeros((n, *space.low.shape), space.dtype)
    observation, _ = batch.reset(seed=list(start_seeds))
    step = 0
    while (live := np.flatnonzero(~batch.ended)).size:
        if progress and step % TELL_EVERY == 0:
            progress(step, returns, live.size)
        actions[live] = act(observation[live], live)
        observation, rewards, fell, _, _ = batch.step(actions)
        returns += rewards  # 0 where parked
        terminated |= fell
        step += 1
    if progress:
        progress(step, returns, 0)
    return Played(returns, batch.steps.copy(), terminated)
