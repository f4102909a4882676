"""One behaviour policy, with as much of its noise as asked."""

from dataclasses import dataclass
from typing import Annotated

from tasks.artifacts.episodes import Episode
from tasks.artifacts.params import Params, Range
from tasks.artifacts.seeding import PER_PART
from tasks.generate import Generator, Progress
from tasks.generate.engine.behaviors import open_behavior
from tasks.generate.engine.recording import Plan, check_budget, collect
from tasks.worlds import World


@dataclass(frozen=True)
class RolloutParams(Params):
    """See params/generate/rollout.yaml for units and ranges."""

    policy: str
    noise: Annotated[float, Range(0, 10)]
    episodes: Annotated[int | None, Range(1, PER_PART)]
    steps: Annotated[int | None, Range(1)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]

    def __post_init__(self) -> None:
        """Also check the budget."""
        super().__post_init__()
        check_budget(self.episodes, self.steps)


class Rollout(Generator):
    """See the module."""

    Parameters = RolloutParams
    params: RolloutParams

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """See :meth:`tasks.generate.Generator.episodes`."""
        p = self.params
        behavior = open_behavior(self.behaviors, world, p.policy, p.noise)
        plan = Plan(p.seed, 0, p.episodes, p.steps, p.in_flight)
        return collect(world, [(behavior, plan)], progress)
