"""The parameters that verdicts stand on.

They are in a file of their own because evaluations carry them (``evaluate.returns``): a
change of how verdicts are told apart must not play every episode again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Self

from tasks.artifacts.params import Params, Range
from tasks.statistics.intervals import Floats, Score, score


@dataclass(frozen=True)
class VerdictParams(Params):
    """How differences are judged.

    Attributes:
        margin: The loss that is tolerated, as a share of what the parent gains.
        confidence: Of intervals, e.g. 0.95.
        resamples: Of the bootstrap.
        resample_seed: Of the bootstrap's generator.
    """

    margin: Annotated[float, Range(0, 1, open=True)]
    confidence: Annotated[float, Range(0, 1, open=True)]
    resamples: Annotated[int, Range(100, 10**6)]
    resample_seed: Annotated[int, Range(0, 2**31 - 1)]

    @classmethod
    def of(cls, block: Mapping[str, Any], where: str) -> Self:
        """From the block of an evaluation, which also says how episodes are played.

        Who only judges reads the block so, and loads nothing that plays.

        Args:
            block: E.g. ``evaluate.returns``.
            where: Its dotted path, for errors.

        Raises:
            RefusedError: On a missing key, a wrong type or range.
        """
        names = [field.name for field in fields(cls)]
        return cls.parse({key: block[key] for key in names if key in block}, where)

    def score(self, table: Floats) -> Score:
        """The score of a table (S, E), see ``intervals.score``."""
        return score(
            table,
            confidence=self.confidence,
            resamples=self.resamples,
            resample_seed=self.resample_seed,
        )
