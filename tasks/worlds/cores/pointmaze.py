"""Mazes of Gymnasium-Robotics in which a ball is pushed to a goal.

| | shape | unit |
|---|---|---|
| observation | (6,) | goal x, y (m), ball x, y (m), ball velocity x, y (m/s) |
| action | (2,) | force along x and y (N), [-1, 1] |

Gymnasium's observation is a dictionary; its ``desired_goal`` and ``observation`` are
joined in this order (as ``FilterObservation`` and ``FlattenObservation`` do), and
``achieved_goal`` is left out, being the ball's position a second time.

Reward a step: 1 within 0.45 m of the goal, else 0. Never terminates: the ball may stay
at the goal. Control step 0.01 s. The ball's speed is clipped
to 5 m/s an axis. Cells of the maze are 1 m wide; start and goal are cell centres with
noise of U(-0.25, 0.25) m an axis, at least 0.5 m apart.

Source: gymnasium-robotics 1.4 ``PointMaze_*-v3`` (Fu et al. 2020, D4RL).
"""

import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box
from gymnasium.wrappers import FilterObservation, FlattenObservation

from tasks.worlds import Batch, Flags, Floats, World, WorldParams
from tasks.worlds.cores.endless import Endless


class PointMazeBatch(Batch):
    """Mazes stepped one by one by Gymnasium-Robotics."""

    def __init__(self, world: "PointMaze", num_envs: int) -> None:
        super().__init__(world, num_envs)
        self.envs = [world.single() for _ in range(num_envs)]
        self._observed = np.zeros((num_envs, 6))

    def _reset_one(self, i: int, seed: int) -> None:
        self._observed[i] = _flat(self.envs[i].reset(seed=seed)[0])

    def _step(self, actions: Floats, live: Flags) -> tuple[Floats, Flags]:
        rewards = np.zeros(self.num_envs)
        for i in np.flatnonzero(live):
            parts, rewards[i], _, _, _ = self.envs[i].step(actions[i])
            self._observed[i] = _flat(parts)
        return rewards, np.zeros(self.num_envs, dtype=bool)

    def _observe(self) -> Floats:
        return self._observed.copy()

    def state(self) -> dict[str, Floats]:
        """Ball position as qpos (N, 2), velocity as qvel (N, 2), goal (N, 2)."""
        return {
            "qpos": self._observed[:, 2:4].copy(),
            "qvel": self._observed[:, 4:6].copy(),
            "goal": self._observed[:, :2].copy(),
        }

    def reset_to(self, state: Mapping[str, Floats]) -> Floats:
        """Start every episode at ``qpos``, ``qvel`` and ``goal``, (N, 2) each."""
        for i, env in enumerate(self.envs):
            env.goal = np.array(state["goal"][i])
            env.update_target_site_pos()
            env.point_env.reset()
            env.point_env.set_state(state["qpos"][i], state["qvel"][i])
            self._observed[i] = np.concatenate([env.goal, env.data.qpos, env.data.qvel])
        return self._restarted()

    def close_extras(self, **_: Any) -> None:
        """Close the sub-environments."""
        for env in self.envs:
            env.close()


class PointMaze(Endless, World):
    """A maze with a ball; the module says what it observes and earns.

    Attributes:
        maze: Gymnasium-Robotics' own, with walls and sizes of its cells.
    """

    batch = PointMazeBatch
    maze: Any

    def __init__(self, params: WorldParams) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it announces changes of other worlds
            import gymnasium_robotics  # costs a second

            gymnasium.register_envs(gymnasium_robotics)
        super().__init__(params)
        env = self.single()
        self.observation_space = Box(-np.inf, np.inf, (6,), np.float64)
        self.action_space = env.action_space
        self.step_seconds = float(env.point_env.dt)
        self.maze = env.maze

    def single(self) -> Any:
        """One bare environment of Gymnasium-Robotics, without wrappers."""
        return gymnasium.make(self.params.env_id).unwrapped

    def env_spec(self) -> EnvSpec:
        """Gymnasium's recipe, with the wrappers that give the observation above."""
        env = gymnasium.make(
            self.params.env_id, max_episode_steps=self.params.max_steps
        )
        wrapped = FlattenObservation(
            FilterObservation(env, ["observation", "desired_goal"])
        )
        if wrapped.spec is None:
            raise RuntimeError("Gymnasium lost the environment's specification")
        return wrapped.spec


def _flat(parts: Mapping[str, Floats]) -> Floats:
    """The dictionary observation as one array (6,)."""
    return np.concatenate([parts["desired_goal"], parts["observation"]])
