"""CartPole-v1: keep a pole upright on a cart that is pushed left or right.

| | shape | unit |
|---|---|---|
| observation | (4,) | cart's place (m), speed (m/s), pole's angle (rad), its speed |
| action | one of 2 | push with 10 N to the left, to the right |

Reward a step: 1, also at the last. Terminates when abs(place) > 2.4 m or
abs(angle) > 12 degrees. Control step 0.02 s; truncated after 500 steps. Starts at
U(-0.05, 0.05) each. An outer force acts on the cart, to the right (N).

Source: Gymnasium 1.x ``CartPole-v1`` (Barto, Sutton, Anderson 1983); the arithmetic
follows it to the last bit.
"""

import math
from collections.abc import Mapping

import numpy as np

from tasks.worlds import Actions, Flags, Floats
from tasks.worlds.cores.classic_control import (
    ClassicBatch,
    ClassicWorld,
    uniform_start,
)
from tasks.worlds.cores.physics import FROM_ZERO, Parameter, PhysicalWorld
from tasks.worlds.cores.twin import Twin

DT = 0.02
MAX_PLACE, MAX_ANGLE = 2.4, 12 * 2 * math.pi / 360
START = np.full(4, 0.05)  # widest start: m, m/s, rad, rad/s


class CartPoleBatch(ClassicBatch):
    """Carts as arrays: q (N, 4) is place, speed, angle and angular speed."""

    def __init__(self, world: PhysicalWorld, num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.q: Floats = np.zeros((num_envs, 4))

    def _reset_one(self, i: int, seed: int) -> None:
        self.q[i] = uniform_start(seed, START)

    def _step(self, actions: Actions, live: Flags) -> tuple[Floats, Flags]:
        now = (self.constants[name] for name in self.world.physics)
        gravity, cart, mass, length, strength = now
        total, moment = mass + cart, mass * length
        x, dx, angle, turn = self.q.T
        force = np.where(actions == 1, strength, -strength) + self.force[:, 0]
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
        """Start every episode at ``qpos`` (N, 2) and ``qvel`` (N, 2).

        Returns:
            Observations (N, 4).
        """
        self.q = np.empty((self.num_envs, 4))
        self.q[:, ::2], self.q[:, 1::2] = state["qpos"], state["qvel"]
        return self._restarted()


class CartPole(ClassicWorld):
    """A pole to keep upright; the module says what it observes and earns."""

    env_ids = ("CartPole-v1",)

    batch = CartPoleBatch
    step_seconds = DT
    physics: Mapping[str, Parameter] = {
        "gravity": Parameter(9.8, "m/s^2", FROM_ZERO),
        "cart": Parameter(1.0, "kg"),
        "mass": Parameter(0.1, "kg"),  # of the pole
        "length": Parameter(0.5, "m"),  # half the pole's
        "force": Parameter(10.0, "N"),
    }
    force_names = ("cart",)

    def termination_fn(
        self, state: Floats, action: Floats, next_state: Floats
    ) -> Flags:
        """Which steps (N,) end an episode, from observations (N, 4).

        Observations are float32, so it may differ from the simulator where a bound is
        met to 7 digits.
        """
        del state, action
        return _fallen(next_state)


class CartPoleTwin(Twin, CartPole):
    """The cart and its simulated twin; cores/twin.py says what that is."""


def _fallen(q: Floats) -> Flags:
    """Which states (N, 4) are out of bounds, (N,)."""
    return (np.abs(q[:, 0]) > MAX_PLACE) | (np.abs(q[:, 2]) > MAX_ANGLE)
