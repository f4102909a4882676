"""Play whole episodes of a world, many side by side, and keep what they earned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.worlds import Actions, Batch, Flags, Floats

REPORT_EVERY = 50  # steps


@dataclass(frozen=True)
class Moment:
    """What a policy may see at one step; rows are the L episodes that still run.

    Attributes:
        episode: (L,) int64, their numbers.
        observation: (L, O), units of the world.
        reward: (L, 1), of the step before; 0 at the first.
        legal: (L, A), 1.0 where an action is allowed; None without a mask.
        step: How many steps each of them has taken, 0...
    """

    episode: NDArray[np.int64]
    observation: Floats
    reward: Floats
    legal: Floats | None = None
    step: int = 0


Act = Callable[[Moment], Actions]  # -> actions (L, A), or (L,) of a discrete world


@dataclass(frozen=True)
class Played:
    """Outcomes of N episodes.

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
    """Play one episode for each start seed, all side by side.

    The policy is asked for the episodes that still run only, so late steps are cheap.

    Args:
        batch: Where, N sub-environments.
        act: The policy; see ``Act``. Its actions lie inside the world's bounds.
        start_seeds: N; an episode's start state depends on its seed alone.
        progress: Called every 50 steps and at the end with steps taken, returns so far
            (N,), and how many episodes still run.

    Returns:
        Return, length and kind of end of each episode, in the order of the seeds.
    """
    n = len(start_seeds)
    returns, terminated = np.zeros(n), np.zeros(n, bool)
    space = batch.world.action_space
    actions: Actions = np.zeros((n, *(space.shape or ())), space.dtype)
    observation, infos = batch.reset(seed=list(start_seeds))
    rewards: Floats = np.zeros(n)
    step = 0
    while (live := np.flatnonzero(~batch.ended)).size:
        if progress and step % REPORT_EVERY == 0:
            progress(step, returns, live.size)
        legal = infos["legal"][live] if "legal" in infos else None
        moment = Moment(live, observation[live], rewards[live, None], legal, step)
        actions[live] = act(moment)
        observation, rewards, fell, _, infos = batch.step(actions)
        returns += rewards  # 0 where parked
        terminated |= fell
        step += 1
    if progress:
        progress(step, returns, 0)
    return Played(returns, batch.steps.copy(), terminated)
