"""Taxi-v4: fetch a passenger on a grid with walls and bring him where he wants to go.

| | shape | meaning |
|---|---|---|
| observation | (19,) | row (5), column (5), passenger (5), destination (4) |
| action | one of 6 | down, up, right, left, pick up, drop |

The passenger waits at R, G, Y, B or sits in the taxi; the destination is R, G, Y or B.
Gymnasium's observation is the number of the state, 0..499; here its four parts are
one-hot, as the wrapper :class:`OneHot` does for one environment.

Reward a step: 20 for the passenger at his destination, -10 for a pick-up or drop in a
wrong place, else -1. Terminates at the destination. One step has no duration, the
control step is called 1 s; truncated after 200 steps. Starts in any of the 300 states
with the passenger waiting elsewhere than at his destination.

Its mask of legal actions forbids moves into walls, picking up where nobody waits and
dropping off outside the four places; Gymnasium steps forbidden ones too, and so does
this batch.

Source: Gymnasium 1.4 ``Taxi-v4`` (Dietterich 2000, MAXQ), dry, passenger not fickle;
its table of transitions is used as it is.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.envs.toy_text.utils import categorical_sample
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from tasks.worlds import Actions, Batch, Flags, Floats, World, WorldParams

PARTS = (5, 5, 5, 4)  # row, column, passenger, destination
STATES, WIDTH = 500, sum(PARTS)


def one_hot() -> NDArray[np.float32]:
    """Observations of all states, (500, 19)."""
    table = np.zeros((STATES, WIDTH), np.float32)
    places = np.unravel_index(np.arange(STATES), PARTS)
    for start, place in zip(np.cumsum((0, *PARTS)), places, strict=False):
        table[np.arange(STATES), start + place] = 1
    return table


class OneHot(
    gymnasium.ObservationWrapper[Any, Any, Any],
    RecordConstructorArgs,
):
    """Turns the number of a state into the observation above."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ObservationWrapper.__init__(self, env)
        self.observation_space = Box(0, 1, (WIDTH,), np.float32)
        self.table = one_hot()

    def observation(self, observation: int) -> NDArray[np.float32]:
        """The observation (19,) of a state's number."""
        return self.table[observation].copy()


class TaxiBatch(Batch):
    """States as numbers; stepping is a look-up."""

    world: "Taxi"

    def __init__(self, world: "Taxi", num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.place: NDArray[np.int64] = np.zeros(num_envs, np.int64)

    def _reset_one(self, i: int, seed: int) -> None:
        self.place[i] = categorical_sample(self.world.starts, np_random(seed)[0])

    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        at = self.place, actions.astype(np.int64)
        rewards = np.where(live, self.world.rewards[at], 0.0)
        ended = self.world.ends[at] & live
        self.place = np.where(live, self.world.after[at], self.place)
        return rewards, ended

    def _observe(self) -> Floats:
        return self.world.table[self.place]

    def state(self) -> dict[str, NDArray[Any]]:
        """Number of the state, ``place`` (N,), and legal actions, ``legal`` (N, 6)."""
        return {"place": self.place.copy(), "legal": self.world.legal[self.place]}

    def reset_to(self, state: Mapping[str, Floats]) -> Floats:
        """Start every episode at ``place`` (N,)."""
        self.place = np.array(state["place"], np.int64)
        return self._restarted()


class Taxi(World):
    """A taxi on a grid; the module says what it observes and earns.

    Attributes:
        table: Observations of all states, (500, 19).
        starts: Probability of each state as a start, (500,).
        after: The state that follows each state and action, (500, 6).
        rewards: Of each state and action, (500, 6).
        ends: Whether the episode then ends, (500, 6).
        legal: 1.0 where an action is allowed, (500, 6).
    """

    batch = TaxiBatch
    env_ids = ("Taxi-v4",)

    masked = True

    def __init__(self, params: WorldParams) -> None:
        super().__init__(params)
        env = self.single()
        self.observation_space = Box(0, 1, (WIDTH,), np.float32)
        self.action_space = env.action_space
        self.step_seconds = 1.0
        self.table = one_hot()
        self.starts = env.initial_state_distrib
        rows = [[env.P[s][a][0] for a in range(6)] for s in range(STATES)]
        table = np.array(rows, np.float64)  # (500, 6, probability, state, reward, end)
        self.after = table[..., 1].astype(np.int64)
        self.rewards, self.ends = table[..., 2], table[..., 3].astype(bool)
        masks = [env.action_mask(s) for s in range(STATES)]
        self.legal = np.array(masks).astype(np.float32)

    def single(self) -> Any:
        """One bare environment of Gymnasium, without wrappers."""
        return gymnasium.make(self.params.env_id).unwrapped

    def env_spec(self) -> EnvSpec:
        """Gymnasium's recipe, with the wrapper that gives the observation above."""
        env = gymnasium.make(
            self.params.env_id, max_episode_steps=self.params.max_steps
        )
        wrapped = OneHot(env)
        if wrapped.spec is None:
            raise RuntimeError("Gymnasium lost the environment's specification")
        return wrapped.spec

    def termination_fn(
        self, state: Floats, action: Floats, next_state: Floats
    ) -> Flags:
        """Which steps (N,) end an episode, from observations (N, 19).

        It ends when the passenger leaves the taxi at his destination.
        """
        del action
        inside, there = state[:, 14] > 0.5, next_state[:, 10:14] * next_state[:, 15:]
        return inside & (there.sum(1) > 0.5)
