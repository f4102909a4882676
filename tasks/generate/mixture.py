"""Several behaviour policies, one after the other.

A replay-like mixture lists the checkpoints of a training run, a medium-expert one two
policies. The order of the parts is the order of the episodes; learners shuffle.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.artifacts.seeding import PER_PART
from tasks.generate import Generator, Progress
from tasks.generate.engine.behaviors import open_behavior
from tasks.generate.engine.recording import Plan, check_budget, collect
from tasks.worlds import World


@dataclass(frozen=True)
class PartParams(Params):
    """One part; what it does not say itself, it takes from the mixture's ``noise``."""

    policy: str
    noise: Annotated[float, Range(0, 10)]
    episodes: Annotated[int | None, Range(1, PER_PART)]
    steps: Annotated[int | None, Range(1)]

    def __post_init__(self) -> None:
        """Also check the budget."""
        super().__post_init__()
        check_budget(self.episodes, self.steps)


@dataclass(frozen=True)
class MixtureParams(Params):
    """See params/generate/mixture.yaml for units and ranges."""

    parts: tuple[dict[str, Any], ...]
    noise: Annotated[float, Range(0, 10)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]

    def __post_init__(self) -> None:
        """Also refuse a list of parts that is empty or has a wrong one."""
        super().__post_init__()
        if not 1 <= len(self.parts) <= 100:
            raise RefusedError(
                PARAMS, "parts", len(self.parts), "1 to 100 parts", "list the policies"
            )
        self.parsed()

    def parsed(self) -> list[PartParams]:
        """The parts."""
        return [
            PartParams.parse(
                {"noise": self.noise, "episodes": None, "steps": None} | part,
                f"parts[{number}]",
            )
            for number, part in enumerate(self.parts)
        ]


class Mixture(Generator):
    """See the module."""

    Parameters = MixtureParams
    params: MixtureParams

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """See :meth:`tasks.generate.Generator.episodes`."""
        p = self.params
        return collect(
            world,
            [
                (
                    open_behavior(self.behaviors, world, part.policy, part.noise),
                    Plan(p.seed, number, part.episodes, part.steps, p.in_flight),
                )
                for number, part in enumerate(self.params.parsed())
            ],
            progress,
        )
