"""Claims: is a paper's headline effect seen here, in miniature?

A method's claim is a file of this room and a study: the study makes the policies and
figures, the file says in a few lines what must be seen in them. It is written before
the figures are known, and what is not seen is said so.

A check is one number that must lie above a bound. With its interval low..high:

| verdict | when | in words |
|---|---|---|
| ``shown`` | bound < low | seen |
| ``not shown`` | high <= bound | not seen |
| ``underpowered`` | low <= bound < high | more seeds or episodes are needed |

A claim is shown if all its checks are, not shown if one is not, else underpowered.

Shapes: S seeds, E episodes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tasks.artifacts.params import Params

if TYPE_CHECKING:
    from tasks.claims.engine.results import Results

VERDICTS = ("shown", "underpowered", "not shown")  # the worst last


@dataclass(frozen=True)
class Figure:
    """A measured number with its interval; without one all three are the same.

    Attributes:
        name: What was measured of whom, e.g. ``riql on hopper_dynamics``.
        value: In ``unit``.
        low: Lower end of its 95 % interval.
        high: Upper end.
        unit: E.g. ``score``: 0 the random policy, 100 the best behaviour policy.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True)
class Check:
    """One thing that must be seen.

    Attributes:
        figure: The number, often a difference of two arms.
        bound: What it must exceed.
    """

    figure: Figure
    bound: float = 0.0

    @property
    def verdict(self) -> str:
        """See the module."""
        if self.figure.low > self.bound:
            return "shown"
        return "not shown" if self.figure.high <= self.bound else "underpowered"


@dataclass(frozen=True)
class Outcome:
    """What a claim's file found.

    Attributes:
        checks: At least one.
        figures: What else a reader wants to see, a table.
    """

    checks: Sequence[Check]
    figures: Sequence[Figure]

    @property
    def verdict(self) -> str:
        """That of the worst check."""
        return max((check.verdict for check in self.checks), key=VERDICTS.index)


@dataclass(frozen=True)
class ClaimParams(Params):
    """What every claim says of itself; see params/claims/.

    Attributes:
        statement: The effect in one sentence.
        paper: The paper's own figure, with its source.
        code: A file or folder its study's code is in, beside that of the stages.
    """

    statement: str
    paper: str
    code: str


class Claim(ABC):
    """One paper's effect.

    Args:
        params: Of the study's block ``claim.<name>``.
    """

    Parameters: ClassVar[type[ClaimParams]] = ClaimParams

    def __init__(self, params: Any) -> None:
        self.params = params

    @abstractmethod
    def outcome(self, results: "Results") -> Outcome:
        """Look.

        Args:
            results: Of the study that just ran.
        """
