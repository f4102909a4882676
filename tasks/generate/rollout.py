"""One behaviour policy, with as much of its noise as asked."""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.episodes import Episode
from tasks.artifacts.names import NameRule
from tasks.artifacts.params import Range
from tasks.generate import Generator, Progress
from tasks.generate.engine.recording import BudgetParams, Plan, collect
from tasks.worlds import World
from tasks.worlds.engine.behaviors import open_behavior


@dataclass(frozen=True)
class RolloutParams(BudgetParams):
    """Units and ranges stand in params/generate/rollout.yaml."""

    policy: Annotated[str, NameRule()]
    noise: Annotated[float, Range(0, 10)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]


class Rollout(Generator[RolloutParams]):
    """Episodes of one behaviour."""

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """Let the behaviour play."""
        p = self.params
        behavior = open_behavior(self.behaviors, world, p.policy, p.noise)
        plan = Plan(p.seed, 0, p.episodes, p.steps, p.in_flight)
        return collect(world, [(behavior, plan)], progress)
