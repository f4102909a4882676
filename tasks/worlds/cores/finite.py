"""Worlds of finitely many states, actions and outcomes, with an end that is known.

A subclass says what can happen, as a :class:`Process`; stepping, recording and exact
values follow from it. An observation is the number of steps done, then whole numbers
that name the state. The end of the process, after ``horizon`` steps, is a part of the
task, so it terminates an episode.

Shapes: N sub-environments, S states, A actions, K outcomes, T the horizon.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.worlds import Actions, Batch, Flags, Floats, World, WorldParams
from tasks.worlds.cores.exact import Exact
from tasks.worlds.cores.single import SingleEnv

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Process:
    """What can happen.

    Attributes:
        horizon: T, steps after which it is over.
        sizes: How many whole numbers each number that names a state can be; S is their
            product, the last one counting fastest.
        start: State in which it begins.
        chance: Of each outcome, (S, A, K), adding up to 1.
        after: State that follows, (S, A, K).
        reward: (S, A, K), whole multiples of ``unit``.
        ends: Whether it is over then, (S, A, K).
        unit: Of rewards.
    """

    horizon: int
    sizes: tuple[int, ...]
    start: int
    chance: Array
    after: Whole
    reward: Array
    ends: Flags
    unit: float

    @property
    def labels(self) -> Whole:
        """The numbers that name each state, (S, len(sizes))."""
        states = np.arange(len(self.chance))
        return np.stack(np.unravel_index(states, self.sizes), axis=1)

    def mean(self, table: Whole) -> float:
        """Expected return of a table of actions (T, S)."""
        value = np.zeros(len(self.chance))
        for actions in table[::-1]:
            value = self.backed_up(value)[np.arange(len(value)), actions]
        return float(value[self.start])

    def best_mean(self) -> float:
        """The largest expected return of any table."""
        value = np.zeros(len(self.chance))
        for _ in range(self.horizon):
            value = self.backed_up(value).max(axis=1)
        return float(value[self.start])

    def backed_up(self, value: Array) -> Array:
        """Expected reward and value after each state and action, (S, A)."""
        later = np.where(self.ends, 0.0, value[self.after])
        total: Array = (self.chance * (self.reward + later)).sum(2)
        return total


class FiniteBatch(Batch):
    """Copies of a process; what happens in a step depends on seed and step alone."""

    world: "FiniteWorld"

    def __init__(self, world: "FiniteWorld", num_envs: int) -> None:
        super().__init__(world, num_envs)
        process = world.process
        self.place: Whole = np.full(num_envs, process.start)
        self.number: Whole = np.zeros(num_envs, np.int64)
        self.luck = np.zeros((num_envs, process.horizon))
        self.seed: Whole = np.zeros(num_envs, np.int64)

    def _reset_one(self, i: int, seed: int) -> None:
        self.place[i], self.number[i] = self.world.process.start, 0
        self._draw(i, seed)

    def _draw(self, i: int, seed: int) -> None:
        self.seed[i] = seed
        self.luck[i] = np.random.default_rng(seed).random(self.luck.shape[1])

    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        process, rows = self.world.process, np.arange(self.num_envs)
        at = self.place, actions.astype(np.int64)
        luck = self.luck[rows, np.minimum(self.number, process.horizon - 1)]
        outcome = (process.chance[at].cumsum(1) <= luck[:, None]).sum(1)
        outcome = np.minimum(outcome, process.chance.shape[2] - 1)  # rounding
        reward = np.where(live, process.reward[(*at, outcome)], 0.0)
        self.place = np.where(live, process.after[(*at, outcome)], self.place)
        self.number[live] += 1
        over = process.ends[(*at, outcome)] | (self.number >= process.horizon)
        return reward, over & live

    def _observe(self) -> Floats:
        named = self.world.process.labels[self.place]
        return np.column_stack([self.number, named]).astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """``place``, ``number`` of steps and start ``seed``, (N,) each."""
        names = ("place", "number", "seed")
        return {name: getattr(self, name).copy() for name in names}

    def reset_to(self, state: Mapping[str, NDArray[Any]]) -> Floats:
        """Go on from a :meth:`state`, with the luck that would have come."""
        self.place = np.array(state["place"], np.int64)
        self.number = np.array(state["number"], np.int64)
        for i, seed in enumerate(state["seed"]):
            self._draw(i, int(seed))
        return self._restarted()


class FiniteWorld(World):
    """A world of a :class:`Process`.

    Attributes:
        process: It.
        recorded: What a recorded dataset's environment is made of.
    """

    process: Process
    batch = FiniteBatch
    recorded: ClassVar[type["FiniteEnv"]]

    def __init__(self, params: WorldParams) -> None:
        super().__init__(params)
        self.process = self.made()
        highest = [self.process.horizon, *(size - 1 for size in self.process.sizes)]
        high = np.array(highest, np.float32)
        self.observation_space = Box(np.zeros_like(high), high, dtype=np.float32)
        self.action_space = Discrete(self.process.chance.shape[1])
        self.step_seconds = 1.0

    @abstractmethod
    def made(self) -> Process:
        """What can happen in it."""

    def exact(self) -> Exact:
        """Expected returns, by backward induction; a table has a row a step and state.

        Steps 0..T, of which the last is not acted in.
        """
        process = self.process
        states = len(process.chance)

        def value(table: Whole) -> float:
            return process.mean(table.reshape(-1, states)[: process.horizon])

        return Exact(
            sizes=(process.horizon + 1, *process.sizes),
            actions=process.chance.shape[1],
            optimum=process.best_mean(),
            value=value,
            unit="return",
            computed="backward induction over steps and states",
        )

    def env_spec(self) -> EnvSpec:
        """Gymnasium has no such environment, so its recipe names our own class."""
        made = self.recorded
        return EnvSpec(
            self.params.env_id,
            entry_point=f"{made.__module__}:{made.__name__}",
            max_episode_steps=self.params.max_steps,
        )


class FiniteEnv(SingleEnv):
    """One such environment; what a recorded dataset's environment is made of."""

    world: ClassVar[type[FiniteWorld]]

    def __init__(self) -> None:
        about: dict[str, Any] = {"env_id": self.world.env_ids[0], "max_steps": 10**6}
        about |= {"name": "env", "ref_min": 0.0, "ref_max": 1.0, "measured": ""}
        super().__init__(self.world(WorldParams(**about)))
