"""Play whole episodes of a world, many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.worlds import Flags, Floats, World

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
    world: World,
    act: Act,
    start_seeds: Sequence[int],
    progress: Callable[[Played], Any] | None = None,
) -> Played:
    """Play one episode a start seed, all side by side.

    The network is fed the episodes that still live, so late steps are cheap.

    Args:
        world: Where.
        act: The policy; see ``Act``.
        start_seeds: N; an episode's start state depends on its seed alone.
        progress: Called after each step with the state so far.
    """
    n = len(start_seeds)
    env = world.make(n)
    so_far = Played(np.zeros(n), np.zeros(n, np.int64), np.zeros(n, bool))
    observation, _ = env.reset(seed=list(start_seeds))
    low, high = world.action_space.low, world.action_space.high
    actions = np.zeros((n, *low.shape), world.action_space.dtype)
    while not env.ended.all():
        live = np.flatnonzero(~env.ended)
        actions[live] = np.clip(act(observation[live], live), low, high)
        observation, reward, terminated, _, _ = env.step(actions)
        so_far.returns[live] += reward[live]
        so_far.lengths[live] += 1
        so_far.terminated[live] = terminated[live]
        if progress:
            progress(so_far)
    env.close()
    return so_far
