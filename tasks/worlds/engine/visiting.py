"""The states that a policy meets where it acts, to calibrate or to judge others on.

A policy's own states are not those of the data it was trained on, and what a smaller
policy gets wrong there is what its episodes feel.

Start seeds are drawn from [2^29, 2^30): above those of evaluation (below 2^20) and of
what trains behaviours (2^20 + seed x 100 003 + episode), below those of datasets
(2^30 and more).

Shapes: T steps, N sub-environments, E of them a seed, O observation, A action.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.seeding import chance
from tasks.worlds import Actions, Flags, Floats, World

LOWEST, HIGHEST = 2**29, 2**30  # start seeds, the second not included


@dataclass(frozen=True)
class Sight:
    """What a policy may see at a step.

    Attributes:
        observation: (N, O), float32, units of the world.
        reward: (N, 1), float32, of the step before; 0 where an episode begins.
        began: (N,), where an episode begins, so that a memory is cleared.
        legal: (N, A), float32, 1.0 where an action is allowed; None without a mask.
    """

    observation: NDArray[np.float32]
    reward: NDArray[np.float32]
    began: Flags
    legal: NDArray[np.float32] | None


# -> actions (N, A) inside the world's bounds, or (N,) of a discrete world
Acts = Callable[[Sight], Actions]


@dataclass(frozen=True)
class Visited:
    """What was met, step by step.

    Attributes:
        observation: (T, N, O), float32, units of the world.
        began: (T, N), where an episode begins.
        legal: (T, N, A), float32, 1.0 where an action is allowed; None without a mask.
    """

    observation: NDArray[np.float32]
    began: Flags
    legal: NDArray[np.float32] | None


def visited(
    world: World, act: Acts, seeds: Sequence[int], purpose: str, envs: int, steps: int
) -> Visited:
    """Let a policy act; an episode that ends is followed by another.

    Args:
        world: Where; it can be played.
        act: The policy; sub-environments k E to (k + 1) E - 1 are of the k-th seed.
        seeds: Numbers that start states depend on, each on its own: seed k alone gives
            what it gives beside others.
        purpose: Start states depend on it too: other words, other episodes.
        envs: E, sub-environments a seed.
        steps: T, steps in each.

    Returns:
        The same for the same arguments.
    """
    draws = [chance(seed, "visited", purpose) for seed in seeds]
    n = len(seeds) * envs

    def start(i: int) -> int:
        return int(draws[i // envs].integers(LOWEST, HIGHEST))

    batch = world.make(n)
    sights: list[Sight] = []
    try:
        raw, infos = batch.reset(seed=[start(i) for i in range(n)])
        began: Flags = np.ones(n, bool)
        rewards: Floats = np.zeros(n)
        for _ in range(steps):
            legal = infos["legal"].astype(np.float32) if "legal" in infos else None
            reward = np.where(began, 0, rewards).astype(np.float32)[:, None]
            sight = Sight(raw.astype(np.float32), reward, began, legal)
            sights.append(sight)
            raw, rewards, _, _, infos = batch.step(act(sight))
            began = batch.ended.copy()
            if began.any():
                again = [start(i) if ended else None for i, ended in enumerate(began)]
                raw, infos = batch.reset(seed=again, options={"reset_mask": began})
    finally:
        batch.close()
    masks = [sight.legal for sight in sights if sight.legal is not None]
    return Visited(
        np.stack([sight.observation for sight in sights]),
        np.stack([sight.began for sight in sights]),
        np.stack(masks) if masks else None,
    )
