"""Pendulum-v1: swing a pendulum up and hold it there.

| | shape | unit |
|---|---|---|
| observation | (3,) | cos, sin of the angle from upright, speed (rad/s), [-8, 8] |
| action | (1,) | torque (N m), [-2, 2] |

Reward a step: -(angle^2 + 0.1 speed^2 + 0.001 torque^2), from -16.27 to 0. Never
terminates. Control step 0.05 s; truncated after 200 steps. Starts at an angle of
U(-pi, pi) with a speed of U(-1, 1).

An outer force is a torque at the pivot (N m); what it costs is not paid for.

Source: Gymnasium 1.x ``Pendulum-v1``; the arithmetic follows it to the last bit.
"""

from collections.abc import Mapping

import numpy as np

from tasks.worlds import Flags, Floats
from tasks.worlds.cores.classic_control import (
    ClassicBatch,
    ClassicWorld,
    squared,
    uniform_start,
)
from tasks.worlds.cores.endless import Endless
from tasks.worlds.cores.physics import FROM_ZERO, Parameter, PhysicalWorld
from tasks.worlds.cores.twin import Twin

MAX_SPEED, MAX_TORQUE, DT = 8.0, 2.0, 0.05
START = np.array([np.pi, 1.0])  # widest start: rad, rad/s


class PendulumBatch(ClassicBatch):
    """Pendulums as arrays: angle (N,) from upright in rad, speed (N,) in rad/s."""

    def __init__(self, world: PhysicalWorld, num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.angle: Floats = np.zeros(num_envs)
        self.speed: Floats = np.zeros(num_envs)

    def _reset_one(self, i: int, seed: int) -> None:
        self.angle[i], self.speed[i] = uniform_start(seed, START)

    def _step(self, actions: Floats, live: Flags) -> tuple[Floats, Flags]:
        g, m, length = (self.constants[name] for name in self.world.physics)
        torque = np.clip(actions[:, 0], -MAX_TORQUE, MAX_TORQUE)
        wrapped = ((self.angle + np.pi) % (2 * np.pi)) - np.pi
        cost = squared(wrapped) + 0.1 * squared(self.speed) + 0.001 * squared(torque)
        ease = 3.0 / (m * squared(length))  # of turning it
        # float32 actions are multiplied in float32, as Gymnasium's numbers are
        own = ease.astype(torque.dtype) * torque
        push = 3 * g / (2 * length) * np.sin(self.angle) + own + ease * self.force[:, 0]
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
        """Start every episode at ``qpos`` (N, 1) and ``qvel`` (N, 1).

        Returns:
            Observations (N, 3).
        """
        self.angle, self.speed = state["qpos"][:, 0].copy(), state["qvel"][:, 0].copy()
        return self._restarted()


class Pendulum(Endless, ClassicWorld):
    """A pendulum to swing up; the module says what it observes and earns."""

    env_ids = ("Pendulum-v1",)

    batch = PendulumBatch
    step_seconds = DT
    physics: Mapping[str, Parameter] = {
        "gravity": Parameter(10.0, "m/s^2", FROM_ZERO),
        "mass": Parameter(1.0, "kg"),
        "length": Parameter(1.0, "m"),
    }
    force_names = ("pivot",)
    force_unit = "N m"


class PendulumTwin(Twin, Pendulum):
    """The pendulum and its simulated twin; cores/twin.py says what that is."""
