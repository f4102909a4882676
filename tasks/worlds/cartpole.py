"""CartPole-v1: keep a pole upright on a cart that is pushed left or right.

| | shape | unit |
|---|---|---|
| observation | (4,) | cart's place (m), speed (m/s), pole's angle (rad), its speed |
| action | one of 2 | push with 10 N to the left, to the right |

Reward a step: 1, also at the last. Terminates when |place| > 2.4 m or |angle| > 12
degrees. Control step 0.02 s; truncated after 500 steps. Starts at U(-0.05, 0.05) each.

Source: Gymnasium 1.x ``CartPole-v1`` (Barto, Sutton, Anderson 1983); the arithmetic
follows it to the last bit.
"""

import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.seeding import np_random

from tasks.worlds import Actions, Batch, Flags, Floats, World, WorldParams

DT = 0.02
MAX_PLACE, MAX_ANGLE = 2.4, 12 * 2 * math.pi / 360
# m/s^2, kg, kg, m (half the pole), N
NOMINAL = {"gravity": 9.8, "cart": 1.0, "mass": 0.1, "length": 0.5, "force": 10.0}


class CartPoleBatch(Batch):
    """Carts as arrays."""

    def __init__(self, world: World, num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.q: Floats = np.zeros((num_envs, 4))
        self.psi = dict(NOMINAL)

    def _reset_one(self, i: int, seed: int) -> None:
        self.q[i] = np_random(seed)[0].uniform(low=-0.05, high=0.05, size=(4,))

    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        gravity, cart, mass, length, strength = (self.psi[k] for k in NOMINAL)
        total, moment = mass + cart, mass * length
        x, dx, angle, turn = self.q.T
        force = np.where(actions == 1, strength, -strength)
        cos, sin = np.cos(angle), np.sin(angle)
        push = (force + moment * np.square(turn) * sin) / total
        spin = (gravity * sin - cos * push) / (
            length * (4.0 / 3.0 - mass * np.square(cos) / total)
        )
        pull = push - moment * spin * cos / total
        after = [x + DT * dx, dx + DT * pull, angle + DT * turn, turn + DT * spin]
        self.q = np.where(live[:, None], np.stack(after, axis=1), self.q)
        return live.astype(np.float64), _fallen(self.q) & live

    def _observe(self) -> Floats:
        return self.q.astype(np.float32)

    def state(self) -> dict[str, Floats]:
        """Place and angle as qpos (N, 2), their speeds as qvel (N, 2)."""
        return {"qpos": self.q[:, ::2].copy(), "qvel": self.q[:, 1::2].copy()}

    def reset_to(self, state: Mapping[str, Floats]) -> Floats:
        """Start every episode at ``qpos`` (N, 2) and ``qvel`` (N, 2)."""
        self.q = np.empty((self.num_envs, 4))
        self.q[:, ::2], self.q[:, 1::2] = state["qpos"], state["qvel"]
        self.ended[:], self.steps[:] = False, 0
        self.observation = self._observe()
        return self.observation

    def set_params(self, psi: Mapping[str, float]) -> None:
        """Scale ``gravity``, ``cart``, ``mass``, ``length``, ``force``; 1 is nominal.

        ``cart`` is the cart's mass, ``mass`` the pole's.

        Raises:
            ValueError: On another name, or a factor that is not positive.
        """
        for name, factor in psi.items():
            if name not in NOMINAL or not factor > 0:
                raise ValueError(
                    f"{name}={factor}: known are {', '.join(NOMINAL)}, > 0"
                )
        self.psi = {name: value * psi.get(name, 1.0) for name, value in NOMINAL.items()}


class CartPole(World):
    """See the module."""

    def __init__(self, params: WorldParams) -> None:
        super().__init__(params)
        env = self.single()
        self.observation_space = env.observation_space
        self.action_space = env.action_space
        self.step_seconds = DT

    def single(self) -> Any:
        """One bare environment of Gymnasium, without wrappers."""
        return gymnasium.make(self.params.env_id).unwrapped

    def make(self, num_envs: int) -> CartPoleBatch:
        """See :meth:`tasks.worlds.World.make`."""
        return CartPoleBatch(self, num_envs)

    def termination_fn(
        self, state: Floats, action: Floats, next_state: Floats
    ) -> Flags:
        """From observations; float32 may differ where a bound is met to 7 digits."""
        del state, action
        return _fallen(next_state)


def _fallen(q: Floats) -> Flags:
    """Out of bounds: (N, 4) -> (N,)."""
    return (np.abs(q[:, 0]) > MAX_PLACE) | (np.abs(q[:, 2]) > MAX_ANGLE)
