"""The waypoint controller of the point mazes, a policy that was written, not trained.

In every cell of the maze it knows the next cell on a shortest way to the goal's cell.
It pushes the ball towards the centre of that next cell, or towards the goal itself once
the ball is in the goal's cell:

    force = clip(gain (target - position) - damping velocity)

Source: D4RL's ``waypoint_controller.py`` (Fu et al. 2020, arXiv 2004.07219). It differs
in having no memory: the target follows from the present cell alone.

Shapes: N observations, R rows and C columns of cells.
"""

from collections import deque
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box

from tasks.worlds import Floats, World, require
from tasks.worlds.engine.behaviors import Array, Bounded

NAME = "controller"  # marks its episodes


class Waypoints(Bounded):
    """The controller as a behaviour.

    Args:
        world: A point maze; its observation is goal, position, velocity, x and y each.
        gain: N/m.
        damping: N s/m.
        noise: Deviation of Gaussian noise on the force, halves of its range.

    Raises:
        RefusedError: If the world has no maze.
    """

    def __init__(self, world: World, gain: float, damping: float, noise: float) -> None:
        self.maze = require(world, "maze")
        super().__init__(NAME, cast(Box, world.action_space), noise)
        self.gain, self.damping = gain, damping
        self.next = shortest_ways(np.array(self.maze.maze_map) != 1)

    def cell(self, xy: Floats) -> tuple[Any, Any]:
        """Row and column, (N,) each, of the cells that points (N, 2), m, lie in."""
        size = self.maze.maze_size_scaling
        row = (self.maze.y_map_center - xy[:, 1]) // size
        column = (xy[:, 0] + self.maze.x_map_center) // size
        return row.astype(int), column.astype(int)

    def centre(self, row: Any, column: Any) -> Floats:
        """Middles (N, 2), m, of cells given by row and column, (N,) each."""
        size = self.maze.maze_size_scaling
        x = (column + 0.5) * size - self.maze.x_map_center
        y = self.maze.y_map_center - (row + 0.5) * size
        return np.stack([x, y], axis=1)

    def actions(
        self, observation: Floats, noise: Array, legal: Floats | None = None
    ) -> Array:
        """The force (N, 2) of the module's formula, plus noise."""
        del legal
        goal, position, velocity = np.split(observation, 3, axis=1)
        here, there = self.cell(position), self.cell(goal)
        after = self.next[(*here, *there)]
        arrived = (after == np.stack(here, axis=1)).all(axis=1)
        middle = self.centre(after[:, 0], after[:, 1])
        target = np.where(arrived[:, None], goal, middle)
        force = self.gain * (target - position) - self.damping * velocity
        force = np.clip(force, self.low, self.high)
        return self.clip(force + noise * self.noise * self.half)


def shortest_ways(free: Any) -> Any:
    """The next cell on a shortest way from every cell to every other one.

    Args:
        free: (R, C) bool, cells without a wall.

    Returns:
        (R, C, R, C, 2) int: row and column of the cell after (r, c) on a shortest way
        to another; the cell itself where it is the goal or no way leads there.
    """
    rows, columns = free.shape
    r, c = np.indices(free.shape)
    here = np.stack([r, c], axis=-1)[:, :, None, None]
    table = np.broadcast_to(here, (rows, columns, rows, columns, 2)).copy()
    for goal in zip(*np.nonzero(free), strict=True):
        reached, queue = {goal}, deque([goal])
        while queue:
            cell = queue.popleft()
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                near = (cell[0] + dr, cell[1] + dc)
                inside = 0 <= near[0] < rows and 0 <= near[1] < columns
                if inside and free[near] and near not in reached:
                    table[(*near, *goal)] = cell
                    reached.add(near)
                    queue.append(near)
    return table
