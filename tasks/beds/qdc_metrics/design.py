"""What the nine datasets shall be, and which designs are refused."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS

QUALITIES = ("top", "middle", "noisy")


@dataclass(frozen=True)
class Design:
    """Sectors, plays and sizes of the nine datasets.

    Units and ranges stand in params/beds/qdc_metrics.yaml.
    """

    sectors: int
    held_out: tuple[int, ...]
    diversities: Mapping[str, tuple[int, ...]]
    plays: int
    goal_plays: int
    noise: float
    neighbours: int
    episodes: int
    goals: int
    draw: int

    @property
    def names(self) -> list[str]:
        """Of the nine datasets."""
        return [f"{q}_{d}" for q in QUALITIES for d in self.diversities]

    def check(self) -> None:
        """Refuse a design that cannot be made.

        Raises:
            RefusedError: If a sector is held out and used, if there is none of that
                number, if episodes cannot be shared evenly, or no play is left.
        """

        def refused(
            field: str, found: object, expected: str, mend: str
        ) -> RefusedError:
            return RefusedError(PARAMS, field, found, expected, mend)

        for name, own in self.diversities.items():
            field = f"diversities.{name}"
            if not own or not set(own) < set(range(self.sectors)):
                expected = f"some numbers below {self.sectors}"
                raise refused(field, list(own), expected, "name sectors there are")
            if both := set(own) & set(self.held_out):
                mend = "take them off one list"
                raise refused(field, sorted(both), "none that is held out", mend)
            if self.episodes % len(own):
                expected = f"a multiple of {len(own)}, its sectors"
                raise refused("episodes", self.episodes, expected, "change episodes")
        if not self.held_out:
            raise refused("held_out", "none", "at least one sector", "name one")
        if self.goal_plays >= self.plays:
            expected = f"fewer than plays, {self.plays}"
            raise refused("goal_plays", self.goal_plays, expected, "raise plays")
