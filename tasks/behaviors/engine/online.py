"""The online loop: act, store, update, for a stack of seeds at once.

Shapes: S seeds, B batch, O observation, A action.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.actions import pick_legal
from tasks.nets.feedforward import Feedforward
from tasks.nets.policy import Policy
from tasks.train import Batch, Learner
from tasks.worlds import Actions, Flags, Floats, World

Draws = Sequence[np.random.Generator]


class Replay:
    """A ring buffer of transitions for each seed; the newest replace the oldest.

    Args:
        seeds: S.
        capacity: Transitions a seed.
        observation: O.
        action: A.
        more: Widths of the columns that are stored beside.
    """

    def __init__(
        self,
        seeds: int,
        capacity: int,
        observation: int,
        action: int,
        more: Sequence[int] = (),
    ) -> None:
        widths = [observation, action, 1, observation, 1, *more]
        self.rows = np.zeros((seeds, capacity, sum(widths)), np.float32)
        self.cuts = np.cumsum(widths)[:-1]
        self.capacity, self.size, self.next = capacity, 0, 0

    def add(
        self,
        o: Floats,
        a: Floats,
        r: Floats,
        o2: Floats,
        terminated: Flags,
        *more: Floats,
    ) -> None:
        """Store one transition of each seed.

        Args:
            o: Observations, (S, O).
            a: Actions as the learner sees them, (S, A).
            r: Rewards, (S,).
            o2: Next observations, (S, O).
            terminated: Whether the episode terminated, (S,).
            *more: Further columns, (S, width) each.
        """
        self.rows[:, self.next] = np.concatenate(
            [o, a, r[:, None], o2, terminated[:, None], *more], axis=1
        )
        self.next = (self.next + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(
        self, draws: Sequence[np.random.Generator], batch: int
    ) -> list[torch.Tensor]:
        """Draw rows of each seed uniformly, with replacement.

        Args:
            draws: A generator for each seed.
            batch: B.

        Returns:
            The fields in the order they were stored in, (S, B, width) each.
        """
        sampled = np.stack(
            [
                rows[g.integers(0, self.size, batch)]
                for rows, g in zip(self.rows, draws, strict=True)
            ]
        )
        return [torch.from_numpy(x) for x in np.split(sampled, self.cuts, axis=-1)]


class Squashed:
    """Actions sampled from a gaussian policy; uniformly random ones at first.

    Args:
        learner: Its policy has a gaussian head.
        world: With continuous actions.
    """

    def __init__(self, learner: Learner[Any], world: World) -> None:
        del world
        self.actor = cast(Feedforward, learner.policy())
        self.low = learner.spaces.action_low.numpy()
        self.high = learner.spaces.action_high.numpy()
        self.width = learner.spaces.action

    def __call__(
        self, observation: Floats, infos: dict[str, Any], draws: Draws, step: int | None
    ) -> tuple[Floats, Actions]:
        """Choose an action for each seed.

        Args:
            observation: (S, O).
            infos: Of the world's last step; not used.
            draws: A generator for each seed.
            step: Number of the step; None for a uniformly random action.

        Returns:
            The action to store, in [-1, 1], and the one for the world, (S, A) each.
        """
        del infos
        if step is None:
            action = np.stack([g.uniform(-1, 1, self.width) for g in draws])
        else:
            sample = np.stack([g.standard_normal(self.width) for g in draws])
            with torch.no_grad():
                action = (
                    self.actor.squashed(
                        torch.from_numpy(observation.astype(np.float32))[:, None],
                        torch.from_numpy(sample.astype(np.float32))[:, None],
                    )[:, 0]
                ).numpy()
        action = action.astype(np.float32)
        return action, self.low + (action + 1) / 2 * (self.high - self.low)


class Greedy:
    """Greedy actions, but for a share of uniformly random legal ones.

    Args:
        learner: Has ``epsilon(step)``, the share after some steps.
        world: With discrete actions.
    """

    def __init__(self, learner: Learner[Any], world: World) -> None:
        self.actor = cast(Feedforward, learner.policy())
        self.epsilon = cast(Any, learner).epsilon
        self.one_hot = np.eye(world.action_width, dtype=np.float32)

    def __call__(
        self, observation: Floats, infos: dict[str, Any], draws: Draws, step: int | None
    ) -> tuple[Floats, Actions]:
        """Choose an action for each seed.

        Args:
            observation: (S, O).
            infos: Of the world's last step; ``legal`` (S, A) says what is allowed.
            draws: A generator for each seed.
            step: Number of the step; None for a uniformly random action.

        Returns:
            The action to store, one-hot (S, A), and its number for the world (S,).
        """
        legal = infos.get(
            "legal", np.ones((len(observation), len(self.one_hot)), np.float32)
        )
        luck = np.stack([g.random(2) for g in draws])  # whether, which
        action = pick_legal(luck[:, 1], legal)
        if step is not None:
            with torch.no_grad():
                best = self.actor(
                    torch.from_numpy(observation.astype(np.float32))[:, None],
                    legal=torch.from_numpy(legal)[:, None],
                )[:, 0].numpy()
            action = np.where(luck[:, 0] < self.epsilon(step), action, best)
        return self.one_hot[action], action


def run(
    learner: Learner[Any],
    world: World,
    steps: int,
    start_steps: int,
    batch: int,
    updates_per_step: float,
) -> Iterator[tuple[int, NDArray[np.float64], Policy]]:
    """Train online, one environment for each seed.

    Args:
        learner: With a gaussian head or discrete actions, and observations that are not
            normalised. Its schedules count environment steps as updates.
        world: Where it acts.
        steps: Environment steps a seed.
        start_steps: Uniformly random steps before the first update.
        batch: Rows an update.
        updates_per_step: Updates a step a seed.

    Yields:
        After each step: its number from 1, each seed's return of the episode that ended
        at it (NaN where none ended), and the policy.
    """
    seeds = learner.seeds
    n = len(seeds)
    draws = [np.random.default_rng([seed, 1]) for seed in seeds]
    env = world.make(n)
    spaces, columns = learner.spaces, learner.columns
    more = [spaces.action for _ in columns]
    replay = Replay(n, steps, spaces.observation, spaces.action, more)
    episode, returns = np.zeros(n, np.int64), np.zeros(n)
    observation, infos = env.reset(seed=[_start(s, 0) for s in seeds])
    act = (Greedy if world.discrete else Squashed)(learner, world)
    done_updates = 0
    for step in range(steps):
        learned = step if step >= start_steps else None
        action, executed = act(observation, infos, draws, learned)
        before = infos
        after, reward, terminated, truncated, infos = env.step(executed)
        masks = {"legal": before.get("legal"), "next_legal": infos.get("legal")}
        beside = [cast(Floats, masks[name]) for name in columns]
        replay.add(observation, action, reward, after, terminated, *beside)
        returns += reward
        observation = after
        ended = terminated | truncated
        finished = np.where(ended, returns, np.nan)
        if ended.any():
            episode[ended] += 1
            returns[ended] = 0
            starts = [_start(s, int(e)) for s, e in zip(seeds, episode, strict=True)]
            observation, infos = env.reset(seed=starts, options={"reset_mask": ended})
        if step >= start_steps:
            while done_updates < (step - start_steps + 1) * updates_per_step:
                o, a, r, o2, d, *rest = replay.sample(draws, batch)
                noise = {
                    name: torch.from_numpy(
                        np.stack(
                            [draw.sample(g, (batch,), spaces.action) for g in draws]
                        )
                    )
                    for name, draw in learner.draws().items()
                }
                more_columns = dict(zip(columns, rest, strict=True))
                r, d = r.squeeze(-1), d.squeeze(-1)
                rows = Batch(o, a, r, o2, d, more_columns, noise)
                learner.update(rows, done_updates)
                done_updates += 1
        yield step + 1, finished, act.actor


def _start(seed: int, episode: int) -> int:
    """Start seed of an episode: training never meets the evaluator's (below 2^20)."""
    return 2**20 + seed * 100_003 + episode
