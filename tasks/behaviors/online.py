"""The online loop: act, store, update, for a stack of seeds at once."""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.nets.feedforward import Feedforward
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner
from tasks.worlds import Flags, Floats, World


class Replay:
    """Ring buffer of transitions, one a seed.

    Args:
        seeds: S.
        capacity: Transitions a seed.
        observation: O.
        action: A.
    """

    def __init__(
        self, seeds: int, capacity: int, observation: int, action: int
    ) -> None:
        self.rows = np.zeros(
            (seeds, capacity, 2 * observation + action + 2), np.float32
        )
        self.cuts = np.cumsum([observation, action, 1, observation])
        self.capacity, self.size, self.next = capacity, 0, 0

    def add(
        self, o: Floats, a: Floats, r: Floats, o2: Floats, terminated: Flags
    ) -> None:
        """Store one transition a seed: (S, O), (S, A), (S,), (S, O), (S,)."""
        self.rows[:, self.next] = np.concatenate(
            [o, a, r[:, None], o2, terminated[:, None]], axis=1
        )
        self.next = (self.next + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(
        self, draws: Sequence[np.random.Generator], batch: int
    ) -> list[torch.Tensor]:
        """Uniform rows a seed, split into the fields of a batch."""
        picked = np.stack(
            [
                rows[g.integers(0, self.size, batch)]
                for rows, g in zip(self.rows, draws, strict=True)
            ]
        )
        return [torch.from_numpy(x) for x in np.split(picked, self.cuts, axis=-1)]


def run(
    learner: Learner,
    world: World,
    steps: int,
    start_steps: int,
    batch: int,
    updates_per_step: float,
) -> Iterator[tuple[int, NDArray[np.float64], Policy]]:
    """Train online, one environment a seed.

    Args:
        learner: Its policy has a gaussian head; observations are not normalised.
        world: Where it acts.
        steps: Environment steps a seed.
        start_steps: Uniformly random steps before the first update.
        batch: Rows an update.
        updates_per_step: Updates a step a seed.

    Yields:
        After each step: its number, the return of the episode that ended at it a seed
        (NaN where none ended), and the policy.
    """
    seeds = learner.seeds
    n = len(seeds)
    draws = [np.random.default_rng([seed, 1]) for seed in seeds]
    env = world.make(n)
    low, high = learner.spaces.action_low.numpy(), learner.spaces.action_high.numpy()
    replay = Replay(n, steps, learner.spaces.observation, learner.spaces.action)
    episode, returns = np.zeros(n, np.int64), np.zeros(n)
    observation, _ = env.reset(seed=[_start(s, 0) for s in seeds])
    actor = cast(Feedforward, learner.policy())
    done_updates = 0
    for step in range(steps):
        shape = learner.spaces.action
        if step < start_steps:
            action = np.stack([g.uniform(-1, 1, shape) for g in draws])
        else:
            sample = np.stack([g.standard_normal(shape) for g in draws])
            with torch.no_grad():
                action = (
                    actor.squashed(
                        torch.from_numpy(observation.astype(np.float32))[:, None],
                        torch.from_numpy(sample.astype(np.float32))[:, None],
                    )[:, 0]
                ).numpy()
        action = action.astype(np.float32)
        scaled = low + (action + 1) / 2 * (high - low)
        after, reward, terminated, truncated, _ = env.step(scaled)
        replay.add(observation, action, reward, after, terminated)
        returns += reward
        observation = after
        ended = terminated | truncated
        finished = np.where(ended, returns, np.nan)
        if ended.any():
            episode[ended] += 1
            returns[ended] = 0
            starts = [_start(s, int(e)) for s, e in zip(seeds, episode, strict=True)]
            observation, _ = env.reset(seed=starts, options={"reset_mask": ended})
        if step >= start_steps:
            while done_updates < (step - start_steps + 1) * updates_per_step:
                o, a, r, o2, d = replay.sample(draws, batch)
                noise = {
                    name: torch.from_numpy(
                        np.stack([draw.sample(g, (batch,), shape) for g in draws])
                    )
                    for name, draw in learner.draws().items()
                }
                learner.update(
                    Batch(o, a, r.squeeze(-1), o2, d.squeeze(-1), noise=noise),
                    done_updates,
                )
                done_updates += 1
        yield step + 1, finished, actor


def _start(seed: int, episode: int) -> int:
    """Start seed of an episode: training never meets the evaluator's (below 2^20)."""
    return 2**20 + seed * 100_003 + episode
