"""Swimmer-v5, free to end anywhere: a planar chain of three links in a fluid.

| | shape | unit |
|---|---|---|
| observation | (10,) | x, y (m), 3 angles (rad), their 5 velocities (m/s, rad/s) |
| action | (2,) | torque at two joints, [-1, 1] x gear |
| descriptor | (2,) | x and y at the end (m), clipped to +-2 |

Reward a step: 1 - 0.5 ||action||^2, so 0 to 1: it is paid for being there and pays for
every push. Where it swims earns nothing, and staying earns most. Never terminates.
Control step 0.04 s; truncated after 250 steps.

Starts differ by +-0.1 in every position and velocity (Gymnasium's), so no observation
is all zeros.

Source: the "omni" tasks of QDax (survival bonus minus control cost, final position as
descriptor) on Gymnasium 1.x ``Swimmer-v5`` (Coulom 2002), whose own reward lacks the 1.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tasks.artifacts.episodes import Episode
from tasks.worlds import Floats
from tasks.worlds.cores.endless import Endless
from tasks.worlds.cores.mujoco import MujocoWorld
from tasks.worlds.cores.twin import Twin

BONUS, COST = 1.0, 0.5
REACH = 2.0  # m


class SwimmerOmni(Endless, MujocoWorld):
    """A swimmer whom staying pays; the module says what it observes and earns."""

    env_ids = ("Swimmer-v5",)
    pushed_bodies = ("torso",)
    plane = (0, 1)

    recipe: ClassVar[Mapping[str, Any]] = {
        "exclude_current_positions_from_observation": False,
        "forward_reward_weight": 0.0,
        "ctrl_cost_weight": COST,
    }
    descriptor_low = np.array([-REACH, -REACH])
    descriptor_high = np.array([REACH, REACH])

    def descriptor(self, episode: Episode) -> Floats:
        """Where an episode ended: x and y (m), clipped to +-2, (2,)."""
        return np.clip(episode.infos["qpos"][-1, :2], -REACH, REACH)

    def observe(self, qpos: Floats, qvel: Floats) -> Floats:
        """Positions and velocities: (N, 10)."""
        return np.concatenate([qpos, qvel], axis=1)

    def reward(
        self, before: Floats, qpos: Floats, qvel: Floats, actions: Floats
    ) -> Floats:
        """The bonus less the cost of control, (N,)."""
        del qvel
        forward, cost = self.forward_reward(before, qpos, actions)
        return BONUS + (forward - cost)  # forward counts 0 times


class SwimmerOmniTwin(Twin, SwimmerOmni):
    """The swimmer and its simulated twin; cores/twin.py says what that is."""
