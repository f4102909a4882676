"""PointMaze_Medium-v3: push a ball through a maze of 6 x 6 cells to a goal.

Observations, actions and rewards stand in ``cores/pointmaze.py``; truncated after 600
steps.

Source: gymnasium-robotics 1.4 ``PointMaze_Medium-v3`` (Fu et al. 2020, D4RL).
"""

from tasks.worlds.cores.pointmaze import PointMaze


class PointMazeMedium(PointMaze):
    """The maze that the id in its parameters names; everything else is shared."""

    env_ids = ("PointMaze_Medium-v3",)
