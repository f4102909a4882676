"""Pendulum-v1: swing a pendulum up and hold it there.

| | shape | unit |
|---|---|---|
| observation | (3,) | cos, sin of the angle from upright, speed (rad/s), [-8, 8] |
| action | (1,) | torque (N m), [-2, 2] |

Reward a step: -(angle^2 + 0.1 speed^2 + 0.001 torque^2), from -16.27 to 0. Never
terminates. Control step 0.05 s; truncated after 200 steps. Starts at an angle of
U(-pi, pi) with a speed of U(-1, 1).

Source: Gymnasium 1.x ``Pendulum-v1``; the arithmetic follows it to the last bit.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.seeding import np_random

from tasks.worlds import Batch, Flags, Floats, World, WorldParams

MAX_SPEED, MAX_TORQUE, DT = 8.0, 2.0, 0.05
NOMINAL = {"gravity": 10.0, "mass": 1.0, "length": 1.0}


class PendulumBatch(Batch):
    """Pendulums as arrays."""

    def __init__(self, world: World, num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.angle: Floats = np.zeros(num_envs)
        self.speed: Floats = np.zeros(num_envs)
        self.psi = dict(NOMINAL)

    def _reset_one(self, i: int, seed: int) -> None:
        high = np.array([np.pi, 1.0])
        self.angle[i], self.speed[i] = np_random(seed)[0].uniform(low=-high, high=high)

    def _step(self, actions: Floats, live: Flags) -> tuple[Floats, Flags]:
        g, m, length = (self.psi[k] for k in NOMINAL)
        torque = np.clip(actions[:, 0], -MAX_TORQUE, MAX_TORQUE)
        wrapped = ((self.angle + np.pi) % (2 * np.pi)) - np.pi
        cost = wrapped**2 + 0.1 * self.speed**2 + 0.001 * (torque**2)
        push = (
            3 * g / (2 * length) * np.sin(self.angle) + 3.0 / (m * length**2) * torque
        )
        speed = np.clip(self.speed + push * DT, -MAX_SPEED, MAX_SPEED)
        self.angle = np.where(live, self.angle + speed * DT, self.angle)
        self.speed = np.where(live, speed, self.speed)
        return np.where(live, -cost, 0.0), np.zeros(self.num_envs, dtype=bool)

    def _observe(self) -> Floats:
        parts = [np.cos(self.angle), np.sin(self.angle), self.speed]
        return np.stack(parts, axis=1).astype(np.float32)

    def state(self) -> dict[str, Floats]:
        """Angle (rad) as qpos (N, 1), angular speed (rad/s) as qvel (N, 1)."""
        return {"qpos": self.angle[:, None].copy(), "qvel": self.speed[:, None].copy()}

    def reset_to(self, state: Mapping[str, Floats]) -> Floats:
        """Start every episode at ``qpos`` (N, 1) and ``qvel`` (N, 1)."""
        self.angle, self.speed = state["qpos"][:, 0].copy(), state["qvel"][:, 0].copy()
        self.ended[:], self.steps[:] = False, 0
        self.observation = self._observe()
        return self.observation

    def set_params(self, psi: Mapping[str, float]) -> None:
        """Scale ``gravity``, ``mass``, ``length``; 1 is nominal.

        Raises:
            ValueError: On another name, or a factor that is not positive.
        """
        for name, factor in psi.items():
            if name not in NOMINAL or not factor > 0:
                raise ValueError(
                    f"{name}={factor}: known are {', '.join(NOMINAL)}, > 0"
                )
        self.psi = {name: value * psi.get(name, 1.0) for name, value in NOMINAL.items()}


class Pendulum(World):
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

    def make(self, num_envs: int) -> PendulumBatch:
        """See :meth:`tasks.worlds.World.make`."""
        return PendulumBatch(self, num_envs)

    def termination_fn(
        self, state: Floats, action: Floats, next_state: Floats
    ) -> Flags:
        """Nowhere; (N,)."""
        del action, next_state
        return np.zeros(len(state), dtype=bool)
