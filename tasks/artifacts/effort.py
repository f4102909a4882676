"""How much a study trains: seeds, updates, batches."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Self

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Params, Range


@dataclass(frozen=True)
class Effort(Params):
    """What a study says of training; params/study/ has units and ranges."""

    seeds: Annotated[tuple[int, ...], Range(0)]
    updates: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    snapshots: Annotated[int, Range(0)]
    precision: Annotated[str, OneOf(("float32", "bfloat16"))]
    processes: Annotated[int, Range(1)]

    def __post_init__(self) -> None:
        """Also refuse seeds that are none or twice, more snapshots than updates."""
        super().__post_init__()
        if self.snapshots > self.updates:
            raise RefusedError(
                PARAMS,
                "snapshots",
                self.snapshots,
                f"at most one an update, {self.updates}",
                "lower snapshots",
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise RefusedError(
                PARAMS,
                "seeds",
                list(self.seeds),
                "at least one seed, none twice",
                "change seeds",
            )

    @classmethod
    def of(cls, study: Mapping[str, Any]) -> Self:
        """From the block ``study``, which also says what is not of training."""
        named = [field.name for field in fields(cls)]
        return cls.parse({key: study[key] for key in named if key in study}, "study")

    @property
    def moments(self) -> list[int]:
        """Updates done at each snapshot: evenly spaced, the last at the end."""
        n = self.snapshots
        return [self.updates * (i + 1) // n for i in range(n)]
