"""Several behaviour policies, one after the other.

A replay-like mixture lists the checkpoints of a training run, a medium-expert one two
policies. The order of the parts is the order of the episodes; learners shuffle.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import NameRule
from tasks.artifacts.params import PARAMS, Params, Range
from tasks.generate import Generator, Progress
from tasks.generate.engine.recording import BudgetParams, Plan, check_count, collect
from tasks.worlds import World
from tasks.worlds.engine.behaviors import open_behavior


@dataclass(frozen=True)
class PartParams(BudgetParams):
    """One part; a part without ``noise`` has the mixture's."""

    policy: Annotated[str, NameRule()]
    noise: Annotated[float, Range(0, 10)]


@dataclass(frozen=True)
class MixtureParams(Params):
    """Units and ranges stand in params/generate/mixture.yaml."""

    parts: tuple[dict[str, Any], ...]
    noise: Annotated[float, Range(0, 10)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]

    def __post_init__(self) -> None:
        """Also refuse parts that are none, wrong, or of too many episodes in all."""
        super().__post_init__()
        if not 1 <= len(self.parts) <= 100:
            raise RefusedError(
                PARAMS, "parts", len(self.parts), "1 to 100 parts", "list the policies"
            )
        check_count(sum(part.episodes or 0 for part in self.parsed()), PARAMS)

    def parsed(self) -> list[PartParams]:
        """The parts, each checked and complete."""
        return [
            PartParams.parse(
                {"noise": self.noise, "episodes": None, "steps": None} | part,
                f"parts[{number}]",
            )
            for number, part in enumerate(self.parts)
        ]


class Mixture(Generator[MixtureParams]):
    """Episodes of several behaviours, part by part."""

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """Let one behaviour play after the other."""
        p = self.params
        return collect(
            world,
            [
                (
                    open_behavior(self.behaviors, world, part.policy, part.noise),
                    Plan(p.seed, number, part.episodes, part.steps, p.in_flight),
                )
                for number, part in enumerate(p.parsed())
            ],
            progress,
        )
