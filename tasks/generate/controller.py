"""The waypoint controller of the point mazes, with as much noise as asked.

The controller itself, its formula and its source stand in
``tasks/worlds/cores/waypoints.py``; what it plays here becomes a dataset.
"""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.episodes import Episode
from tasks.artifacts.params import Range
from tasks.generate import Generator, Progress
from tasks.generate.engine.recording import BudgetParams, Plan, collect
from tasks.worlds import World
from tasks.worlds.cores.waypoints import Waypoints


@dataclass(frozen=True)
class ControllerParams(BudgetParams):
    """Units and ranges stand in params/generate/controller.yaml."""

    gain: Annotated[float, Range(0, 1000, open=True)]
    damping: Annotated[float, Range(0, 1000)]
    noise: Annotated[float, Range(0, 10)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]


class Controller(Generator[ControllerParams]):
    """Episodes of the controller."""

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """Let the controller play; refuses a world without a maze."""
        p = self.params
        behavior = Waypoints(world, p.gain, p.damping, p.noise)
        plan = Plan(p.seed, 0, p.episodes, p.steps, p.in_flight)
        return collect(world, [(behavior, plan)], progress)
