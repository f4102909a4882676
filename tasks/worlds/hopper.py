"""Hopper-v5: a one-legged robot that shall hop forward.

| | shape | unit |
|---|---|---|
| observation | (11,) | height (m), 4 angles (rad), their 6 velocities |
| action | (3,) | torque at thigh, leg, foot, [-1, 1] x gear |

Velocities (m/s, rad/s; that along x first) are clipped to +-10.

Reward a step: forward speed (m/s) + 1 if healthy - 0.001 ||action||^2. Terminates when
height <= 0.7 m, |torso angle| >= 0.2 rad or a state variable leaves (-100, 100).
Control step 0.008 s; truncated after 1000 steps.

Source: Gymnasium 1.x ``Hopper-v5`` (Erez, Tassa, Todorov 2011).
"""

import numpy as np

from tasks.worlds import Flags, Floats
from tasks.worlds.cores.mujoco import MujocoWorld
from tasks.worlds.cores.twin import Twin


class Hopper(MujocoWorld):
    """A robot that shall hop; the module says what it observes and earns."""

    env_ids = ("Hopper-v5",)
    pushed_bodies = ("foot",)

    def observe(self, qpos: Floats, qvel: Floats) -> Floats:
        """Positions without x, velocities clipped: (N, 11)."""
        return np.concatenate([qpos[:, 1:], np.clip(qvel, -10, 10)], axis=1)

    def unhealthy(self, qpos: Floats, qvel: Floats) -> Flags:
        """Which states (N,) have fallen, or run out of bounds."""
        rest = np.concatenate([qpos[:, 2:], qvel], axis=1)
        return ~(
            (qpos[:, 1] > 0.7)
            & (np.abs(qpos[:, 2]) < 0.2)
            & np.all(np.abs(rest) < 100, axis=1)
        )

    def reward(
        self, before: Floats, qpos: Floats, qvel: Floats, actions: Floats
    ) -> Floats:
        """Forward speed, plus 1 if healthy, less the cost of control, (N,)."""
        forward, cost = self.forward_reward(before, qpos, actions)
        return (forward + ~self.unhealthy(qpos, qvel) * 1.0) - cost

    def termination_fn(
        self, state: Floats, action: Floats, next_state: Floats
    ) -> Flags:
        """Which steps (N,) end an episode, from observations (N, 11).

        Velocities are clipped there, so one beyond +-100 would show as +-10; none has
        been seen in practice.
        """
        del state, action
        return ~(
            (next_state[:, 0] > 0.7)
            & (np.abs(next_state[:, 1]) < 0.2)
            & np.all(np.abs(next_state[:, 1:]) < 100, axis=1)
        )


class HopperTwin(Twin, Hopper):
    """The hopper and its simulated twin; cores/twin.py says what that is."""
