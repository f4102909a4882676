"""The worlds of a stack of seeds, stepped together, and put back after a kill.

A simulator's inner state cannot be stored in general. It is reached again: an episode
is its start seed and its actions, which are kept until it ends.

Shapes: S seeds, N worlds of a seed, O observation, A action.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.actions import action_bounds
from tasks.artifacts.errors import RefusedError
from tasks.worlds import Actions, Flags, Floats, World

RECENT = 10  # episodes whose mean return is told
FIRST_START, APART = 2**20, 100_003  # the evaluator's start seeds lie below the first


@dataclass(frozen=True)
class Step:
    """One step of all worlds.

    Attributes:
        observation: (S, N, O), before it.
        action: (S, N, A), in [-1, 1] or one-hot.
        reward: (S, N).
        next_observation: (S, N, O), after it; the last one of an episode that ended.
        terminated: (S, N).
        truncated: (S, N).
        legal: (S, N, A), what was allowed before it; None without a mask.
        next_legal: (S, N, A), and after it.
    """

    observation: Floats
    action: NDArray[np.float32]
    reward: Floats
    next_observation: Floats
    terminated: Flags
    truncated: Flags
    legal: Floats | None
    next_legal: Floats | None


class Worlds:
    """N worlds for each seed; an episode that ends is followed by the next.

    Args:
        world: Of all of them.
        seeds: S of them.
        count: N.

    Attributes:
        observation: (S, N, O), what is acted on next.
        legal: (S, N, A), what is allowed there; None without a mask.
        recent: (S, RECENT), returns of each seed's newest episodes, NaN before.
    """

    def __init__(self, world: World, seeds: Sequence[int], count: int) -> None:
        self.world, self.seeds, self.shape = world, seeds, (len(seeds), count)
        total = len(seeds) * count
        self.env = world.make(total)
        self.low, self.high = action_bounds(world.action_space)
        self.episode = np.zeros(total, np.int64)
        self.returns = np.zeros(total)
        self.lengths = np.zeros(total, np.int64)
        wide = (total, world.params.max_steps, world.action_width)
        self.actions = np.zeros(wide, np.float32)  # of the episodes that go on
        self.recent = np.full((len(seeds), RECENT), np.nan)
        observation, infos = self.env.reset(seed=self.starts())
        self.arrive(observation, infos.get("legal"))

    def starts(self) -> list[int]:
        """Start seed of each world's present episode."""
        seeds = np.repeat(self.seeds, self.shape[1])
        place = np.tile(np.arange(self.shape[1]), self.shape[0])
        number = self.episode * self.shape[1] + place
        return (FIRST_START + APART * seeds + number).tolist()

    def arrive(self, observation: Floats, legal: Floats | None) -> None:
        """Remember where all worlds are."""
        self.observation = observation.reshape(*self.shape, -1).astype(np.float32)
        self.legal = None if legal is None else legal.reshape(*self.shape, -1)

    def executed(self, action: NDArray[np.float32]) -> Actions:
        """Actions (S * N, A) as learners have them -> as the world takes them."""
        if self.world.discrete:
            return action.argmax(-1)
        return self.low + (action + 1) / 2 * (self.high - self.low)

    def step(self, action: NDArray[np.float32]) -> Step:
        """Step all worlds; those whose episode ended begin the next.

        Args:
            action: (S, N, A), in [-1, 1] or one-hot.
        """
        flat = action.reshape(len(self.returns), -1)
        rows = np.arange(len(flat))
        self.actions[rows, self.lengths] = flat
        self.lengths += 1
        after = self.env.step(self.executed(flat))
        observation, reward, terminated, truncated, infos = after
        self.returns += reward
        legal = infos.get("legal")
        step = Step(
            self.observation,
            action,
            reward.reshape(self.shape),
            observation.reshape(*self.shape, -1).astype(np.float32),
            terminated.reshape(self.shape),
            truncated.reshape(self.shape),
            self.legal,
            None if legal is None else legal.reshape(*self.shape, -1),
        )
        if (ended := terminated | truncated).any():
            for i in np.flatnonzero(ended):
                k = i // self.shape[1]
                self.recent[k] = [*self.recent[k, 1:], self.returns[i]]
            self.episode[ended] += 1
            self.returns[ended], self.lengths[ended] = 0, 0
            again = {"reset_mask": ended}
            observation, infos = self.env.reset(seed=self.starts(), options=again)
            legal = infos.get("legal")
        self.arrive(observation, legal)
        return step

    def newest_returns(self) -> Floats:
        """(S,): mean return of a seed's newest episodes that have ended.

        Before the first one has, the mean so far of those that go on.
        """
        so_far = self.returns.reshape(self.shape).mean(1)
        ended = np.isfinite(self.recent)
        total = np.where(ended, self.recent, 0).sum(1)
        return np.where(ended.any(1), total / ended.sum(1).clip(1), so_far)

    def state(self) -> dict[str, Tensor]:
        """What :meth:`restore` needs, by name."""
        longest = int(self.lengths.max())
        arrays: dict[str, NDArray[Any]] = {
            "episode": self.episode,
            "returns": self.returns,
            "lengths": self.lengths,
            "actions": self.actions[:, :longest],
            "recent": self.recent,
            "observation": self.observation,
        }
        return {name: torch.from_numpy(a.copy()) for name, a in arrays.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go to where :meth:`state` was taken, by the same actions.

        Raises:
            RefusedError: If they lead elsewhere: the world does not repeat itself.
        """
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        self.episode, self.lengths = arrays["episode"], arrays["lengths"]
        self.returns, self.recent = arrays["returns"], arrays["recent"]
        actions = arrays["actions"]
        self.actions[:, : actions.shape[1]] = actions
        observation, infos = self.env.reset(seed=self.starts())
        for i in range(actions.shape[1]):
            self.env.ended = self.lengths <= i  # a world that is there already waits
            executed = self.executed(actions[:, i])
            observation, _, _, _, infos = self.env.step(executed)
        self.env.ended = np.zeros(len(self.lengths), bool)
        self.arrive(observation, infos.get("legal"))
        if not np.array_equal(self.observation, arrays["observation"]):
            raise RefusedError(
                f"world {self.world.params.name}",
                "observation",
                "another one than before, after the same start and the same actions",
                "a world that repeats itself",
                "mend the world, or remove .offcut/checkpoints and begin again",
            )
