"""Walker2d-v5: a two-legged planar robot that shall walk forward.

| | shape | unit |
|---|---|---|
| observation | (17,) | height (m), 7 angles (rad), their 9 velocities |
| action | (6,) | torque at six joints, [-1, 1] x gear |

Velocities (m/s, rad/s; that along x first) are clipped to +-10.

Reward a step: forward speed (m/s) + 1 if healthy - 0.001 ||action||^2. Terminates when
height leaves (0.8, 2.0) m or |torso angle| >= 1 rad. Control step 0.008 s; truncated
after 1000 steps.

Source: Gymnasium 1.x ``Walker2d-v5`` (Erez, Tassa, Todorov 2011).
"""

import numpy as np

from tasks.worlds import Flags, Floats
from tasks.worlds.cores.mujoco import MujocoWorld
from tasks.worlds.cores.twin import Twin


class Walker2d(MujocoWorld):
    """A robot that shall walk; the module says what it observes and earns."""

    env_ids = ("Walker2d-v5",)
    pushed_bodies = ("foot", "foot_left")

    def observe(self, qpos: Floats, qvel: Floats) -> Floats:
        """Positions without x, velocities clipped: (N, 17)."""
        return np.concatenate([qpos[:, 1:], np.clip(qvel, -10, 10)], axis=1)

    def unhealthy(self, qpos: Floats, qvel: Floats) -> Flags:
        """Which states (N,) have fallen."""
        del qvel
        return _outside(qpos[:, 1], qpos[:, 2])

    def reward(
        self, before: Floats, qpos: Floats, qvel: Floats, actions: Floats
    ) -> Floats:
        """Forward speed, plus 1 if healthy, less the cost of control, (N,)."""
        forward, cost = self.forward_reward(before, qpos, actions)
        return (forward + ~self.unhealthy(qpos, qvel) * 1.0) - cost

    def termination_fn(
        self, state: Floats, action: Floats, next_state: Floats
    ) -> Flags:
        """Which steps (N,) end an episode, from observations (N, 17)."""
        del state, action
        return _outside(next_state[:, 0], next_state[:, 1])


class Walker2dTwin(Twin, Walker2d):
    """The walker and its simulated twin; cores/twin.py says what that is."""


def _outside(height: Floats, angle: Floats) -> Flags:
    """Which heights (m) and torso angles (rad), (N,) each, are those of a fall."""
    return ~((height > 0.8) & (height < 2.0) & (np.abs(angle) < 1.0))
