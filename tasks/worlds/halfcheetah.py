"""HalfCheetah-v5: a two-legged planar robot that shall run forward.

| | shape | unit |
|---|---|---|
| observation | (17,) | 8 positions (m, rad), 9 velocities (m/s, rad/s) |
| action | (6,) | torque at six joints, [-1, 1] x gear |

Reward a step: forward speed (m/s) - 0.1 ||action||^2. Never terminates. Control step
0.05 s; truncated after 1000 steps.

Source: Gymnasium 1.x ``HalfCheetah-v5`` (Wawrzynski 2009).
"""

import numpy as np

from tasks.worlds import Floats
from tasks.worlds.cores.endless import Endless
from tasks.worlds.cores.mujoco import MujocoWorld
from tasks.worlds.cores.twin import Twin


class HalfCheetah(Endless, MujocoWorld):
    """A robot that shall run; the module says what it observes and earns."""

    env_ids = ("HalfCheetah-v5",)
    pushed_bodies = ("torso", "bfoot", "ffoot")

    def observe(self, qpos: Floats, qvel: Floats) -> Floats:
        """Positions without x, velocities: (N, 17)."""
        return np.concatenate([qpos[:, 1:], qvel], axis=1)

    def reward(
        self, before: Floats, qpos: Floats, qvel: Floats, actions: Floats
    ) -> Floats:
        """Forward speed less the cost of control, (N,)."""
        del qvel
        forward, cost = self.forward_reward(before, qpos, actions)
        return forward - cost


class HalfCheetahTwin(Twin, HalfCheetah):
    """The runner and its simulated twin; cores/twin.py says what that is."""
