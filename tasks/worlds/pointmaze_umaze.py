"""PointMaze_UMaze-v3: push a ball through a U-shaped corridor to a goal.

Observations, actions and rewards stand in ``cores/pointmaze.py``; truncated after 300
steps.

Source: gymnasium-robotics 1.4 ``PointMaze_UMaze-v3`` (Fu et al. 2020, D4RL).
"""

from tasks.worlds.cores.pointmaze import PointMaze


class PointMazeUMaze(PointMaze):
    """The maze that the id in its parameters names; everything else is shared."""

    env_ids = ("PointMaze_UMaze-v3",)
