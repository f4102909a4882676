"""A bandit whose arms push a hidden linear system: pay comes late.

| | shape | meaning |
|---|---|---|
| observation | (1,) | reward of the step before, 0 when an episode begins |
| action | one of K | an arm, all orders in which the budget can be spent |

With the state x, never shown, and the arm's vector u of numbers in [0, 1] that sum to
the budget, spent greedily:

    y_t = <omega, x_t> + <theta, u_t> + eta_t,  x_{t+1} = A x_t + B u_t + eps_t, x_1 = 0

The reward is y_t, before the action has moved the state. Outputs of several channels
are summed, omega = C' 1 and theta = D' 1; noise is N(0, sigma^2) on every state and
every channel. An arm that is held for good earns <h, u> a step in the end,
h = theta + B' (I - A')^-1 omega, which is what the regret is measured against.

One step has no duration, the control step is called 1 s. Never terminates; truncated
after 1,000 steps. All episodes start alike and differ by their noise.

Source: Mussi, Metelli, Restelli 2023, "Dynamical Linear Bandits" (ICML 2023, PMLR
202:25563), with the matrices of its authors' code. ``real`` was identified from data of
advertising; ``synthetic`` stands in params/dataset/bandit_synthetic.yaml.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.worlds import Actions, Batch, Flags, Floats, World
from tasks.worlds.cores.endless import Endless
from tasks.worlds.cores.exact import Exact
from tasks.worlds.cores.linear_system import BLOCK, Stream, System, SystemParams
from tasks.worlds.cores.single import SingleEnv


@dataclass(frozen=True)
class DynamicalLinearBanditParams(SystemParams):
    """Units and ranges stand in params/world/dynamical_linear_bandit.yaml."""


class DynamicalLinearBanditBatch(Batch):
    """Copies of the system with episodes."""

    world: "DynamicalLinearBandit"

    def __init__(self, world: "DynamicalLinearBandit", num_envs: int) -> None:
        super().__init__(world, num_envs)
        system = world.system
        self.x = np.zeros((num_envs, system.n))
        self.reward = np.zeros(num_envs)
        self.seed: NDArray[np.int64] = np.zeros(num_envs, np.int64)
        self.number: NDArray[np.int64] = np.zeros(num_envs, np.int64)
        self.block = np.full(num_envs, -1)
        self.noise = np.zeros((num_envs, BLOCK, system.n + 1))

    def _reset_one(self, i: int, seed: int) -> None:
        self.x[i], self.reward[i], self.block[i] = 0, 0, -1
        self.seed[i], self.number[i] = seed, 0

    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        block, at = np.divmod(self.number, BLOCK)
        for i in map(int, np.flatnonzero(block != self.block)):
            self.noise[i] = self.world.system.noise(int(self.seed[i]), int(block[i]))
            self.block[i] = block[i]
        now = self.noise[np.arange(self.num_envs), at]
        given = self.world.system.given[actions.astype(np.int64)]
        reward, moved = self.world.system.step(self.x, given, now)
        self.x = np.where(live[:, None], moved, self.x)
        self.reward = np.where(live, reward, self.reward)
        self.number[live] += 1
        return np.where(live, reward, 0.0), np.zeros(self.num_envs, bool)

    def _observe(self) -> Floats:
        return self.reward[:, None].astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """``x`` (N, n), last ``reward``, ``seed`` and ``number`` of steps (N,)."""
        return {
            "x": self.x.copy(),
            "reward": self.reward.copy(),
            "seed": self.seed.copy(),
            "number": self.number.copy(),
        }

    def reset_to(self, state: Mapping[str, NDArray[Any]]) -> Floats:
        """Go on from a :meth:`state`, with the noise that would have come."""
        self.x, self.reward = np.array(state["x"]), np.array(state["reward"])
        self.seed = np.array(state["seed"], np.int64)
        self.number, self.block[:] = np.array(state["number"], np.int64), -1
        return self._restarted()


class DynamicalLinearBandit(Endless, World):
    """A bandit with a hidden state; the module says what it observes and earns.

    Attributes:
        system: Its numbers.
    """

    Parameters = DynamicalLinearBanditParams
    env_ids = ("DynamicalLinearBandit-v0",)
    params: DynamicalLinearBanditParams
    batch = DynamicalLinearBanditBatch

    def __init__(self, params: DynamicalLinearBanditParams) -> None:
        super().__init__(params)
        self.system = System(params)
        self.observation_space = Box(-np.inf, np.inf, (1,), np.float32)
        self.action_space = Discrete(len(self.system.arms))
        self.step_seconds = 1.0

    def stream(self, seeds: Sequence[int]) -> Stream:
        """Copies without episodes, a seed each: what a bandit learns from."""
        return Stream(self.system, seeds)

    def exact(self) -> Exact:
        """What an arm is worth that is held for good."""
        values = self.system.values
        return Exact(
            sizes=(1,),
            actions=len(values),
            optimum=float(values.max()),
            value=lambda table: float(values[table[0]]),
            unit="reward a step",
            computed="steady state of the linear system, in closed form",
        )

    def env_spec(self) -> EnvSpec:
        """Gymnasium has no such environment, so its recipe names our own class."""
        p = self.params
        names = ("transition", "control", "readout", "direct")
        matrices = {name: list(getattr(p, name)) for name in names}
        return EnvSpec(
            p.env_id,
            entry_point=f"{__name__}:{DynamicalLinearBanditEnv.__name__}",
            max_episode_steps=p.max_steps,
            kwargs={**matrices, "budget": p.budget, "sigma": p.sigma},
        )


class DynamicalLinearBanditEnv(SingleEnv):
    """One such environment; what a recorded dataset's environment is made of."""

    def __init__(self, **numbers: Any) -> None:
        named: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in numbers.items()
        }
        about: dict[str, Any] = {
            "env_id": "DynamicalLinearBandit-v0",
            "max_steps": 10**6,
        }
        about |= {"name": "env", "ref_min": 0.0, "ref_max": 1.0, "measured": ""}
        made = DynamicalLinearBanditParams(**about, **named)
        super().__init__(DynamicalLinearBandit(made))
