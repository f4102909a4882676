"""The waypoint controller of the point mazes.

In every cell of the maze it knows the next one on a shortest way to the goal's cell,
and pushes the ball towards that cell's centre, or towards the goal where it is in the
goal's cell: force = gain * (target - position) - damping * velocity, clipped.

Source: D4RL's ``waypoint_controller.py`` (Fu et al. 2020, arXiv 2004.07219). It differs
in having no memory: the target follows from the present cell alone.
"""

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any, cast

import numpy as np
from gymnasium.spaces import Box

from tasks.artifacts.episodes import Episode
from tasks.artifacts.params import Params, Range
from tasks.artifacts.seeding import PER_PART
from tasks.generate import Generator, Progress
from tasks.generate.engine.behaviors import Array, Bounded
from tasks.generate.engine.recording import Plan, check_budget, collect
from tasks.worlds import Floats, World, require


@dataclass(frozen=True)
class ControllerParams(Params):
    """See params/generate/controller.yaml for units and ranges."""

    gain: Annotated[float, Range(0, 1000, open=True)]
    damping: Annotated[float, Range(0, 1000)]
    noise: Annotated[float, Range(0, 10)]
    episodes: Annotated[int | None, Range(1, PER_PART)]
    steps: Annotated[int | None, Range(1)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]

    def __post_init__(self) -> None:
        """Also check the budget."""
        super().__post_init__()
        check_budget(self.episodes, self.steps)


class Waypoints(Bounded):
    """See the module.

    Args:
        world: A point maze; its observation is goal, position, velocity, x and y each.
        gain: N/m.
        damping: N s/m.
        noise: Scale of Gaussian noise on the force, halves of its range.

    Raises:
        RefusedError: If the world has no maze.
    """

    def __init__(self, world: World, gain: float, damping: float, noise: float) -> None:
        self.maze = require(world, "maze")
        super().__init__("controller", cast(Box, world.action_space), noise)
        self.gain, self.damping = gain, damping
        self.next = shortest_ways(np.array(self.maze.maze_map) != 1)

    def cell(self, xy: Floats) -> tuple[Any, Any]:
        """Row and column (N,) of the cell a point (N, 2) lies in."""
        size = self.maze.maze_size_scaling
        row = (self.maze.y_map_center - xy[:, 1]) // size
        column = (xy[:, 0] + self.maze.x_map_center) // size
        return row.astype(int), column.astype(int)

    def centre(self, row: Any, column: Any) -> Floats:
        """Middle (N, 2) of cells."""
        size = self.maze.maze_size_scaling
        x = (column + 0.5) * size - self.maze.x_map_center
        y = self.maze.y_map_center - (row + 0.5) * size
        return np.stack([x, y], axis=1)

    def actions(
        self, observation: Floats, noise: Array, legal: Floats | None = None
    ) -> Array:
        """See :meth:`tasks.generate.engine.behaviors.Behavior.actions`."""
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
    """Where to go next.

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
        seen, queue = {goal}, deque([goal])
        while queue:
            cell = queue.popleft()
            for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                near = (cell[0] + dr, cell[1] + dc)
                inside = 0 <= near[0] < rows and 0 <= near[1] < columns
                if inside and free[near] and near not in seen:
                    table[(*near, *goal)] = cell
                    seen.add(near)
                    queue.append(near)
    return table


class Controller(Generator):
    """See the module."""

    Parameters = ControllerParams
    params: ControllerParams

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """See :meth:`tasks.generate.Generator.episodes`."""
        p = self.params
        behavior = Waypoints(world, p.gain, p.damping, p.noise)
        plan = Plan(p.seed, 0, p.episodes, p.steps, p.in_flight)
        return collect(world, [(behavior, plan)], progress)
