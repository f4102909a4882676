"""Arrays in which episodes in flight are recorded until they end.

Shapes: N sub-environments ("slots" where episodes are put into them), T steps.
"""

import numpy as np

from tasks.artifacts.episodes import Episode
from tasks.worlds import Batch, Flags, Floats
from tasks.worlds.engine.behaviors import Behavior


class Recorder:
    """What happens in each slot, in arrays long enough for the longest episode.

    Args:
        batch: Reset or not.
        slots: Its sub-environments, N.
        noise: Numbers of noise a step.

    Attributes:
        at: Steps recorded in each slot, (N,).
        number: Of the episode in each slot, (N,); -1 for none.
    """

    def __init__(self, batch: Batch, slots: int, noise: int) -> None:
        limit = batch.world.params.max_steps
        self.batch, self.rows = batch, np.arange(slots)
        self.at = np.zeros(slots, np.int64)
        self.number = np.full(slots, -1)
        first = batch.observation
        self.observations = np.zeros((slots, limit + 1, *first.shape[1:]), first.dtype)
        space = batch.world.action_space
        kind = space.dtype if batch.world.discrete else np.float32
        self.actions: Floats = np.zeros((slots, limit, *(space.shape or ())), kind)
        self.rewards = np.zeros((slots, limit))
        self.noise = np.zeros((slots, limit, noise), np.float32)
        self.infos = {
            name: np.zeros((slots, limit + 1, *value.shape[1:]), value.dtype)
            for name, value in batch.state().items()
        }

    def begin(self, slot: int, number: int, noise: Floats) -> None:
        """Put an episode into a slot whose sub-environment is being reset.

        Args:
            slot: Which.
            number: Of the episode.
            noise: All its noise, (T, W).
        """
        self.number[slot], self.at[slot] = number, 0
        self.noise[slot] = noise

    def first(self, slots: Flags) -> None:
        """Store the start of the episodes in some slots."""
        self.observations[slots, 0] = self.batch.observation[slots]
        for name, value in self.batch.state().items():
            self.infos[name][slots, 0] = value[slots]

    def step(self, behavior: Behavior) -> tuple[Flags, Flags]:
        """Act and record in all slots; rows of parked ones are never read.

        Args:
            behavior: Who acts.

        Returns:
            In which slots (N,) the episode terminated, and in which it was truncated.
        """
        rows, at = self.rows, np.minimum(self.at, self.actions.shape[1] - 1)
        legal = self.infos["legal"][rows, at] if "legal" in self.infos else None
        if legal is not None:  # nothing was recorded of parked ones
            legal[self.number < 0] = 1
        noise = self.noise[rows, at]
        actions = behavior.actions(self.batch.observation, noise, legal)
        after, rewards, terminated, truncated, infos = self.batch.step(actions)
        self.actions[rows, at], self.rewards[rows, at] = actions, rewards
        self.observations[rows, at + 1] = after
        for name, value in infos.items():
            self.infos[name][rows, at + 1] = value
        self.at += self.number >= 0
        return terminated, truncated

    def take(self, slot: int, terminated: bool, seed: int, source: str) -> Episode:
        """The episode that ended in a slot, which becomes free.

        Args:
            slot: Which.
            terminated: Else it was truncated.
            seed: Its start seed.
            source: Who acted.
        """
        steps = int(self.at[slot])
        self.number[slot] = -1
        end = np.zeros(steps, bool)
        end[-1] = True
        none = np.zeros(steps, bool)
        return Episode(
            observations=self.observations[slot, : steps + 1].copy(),
            actions=self.actions[slot, :steps].copy(),
            rewards=self.rewards[slot, :steps].copy(),
            terminations=end if terminated else none,
            truncations=none if terminated else end,
            infos={k: v[slot, : steps + 1].copy() for k, v in self.infos.items()},
            seed=seed,
            source=source,
        )
