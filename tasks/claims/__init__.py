"""Claims: is a paper's headline effect seen here, in miniature?

A method's claim is a file of this room, a study and, where the study's graph does not
carry all that is needed, a bed (``tasks/beds/``): study and bed make the policies and
numbers, the file says in a few lines what must be seen in them. It reads and judges;
nothing is trained or played here. It is written before the numbers are known, and what
is not seen is said so.

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
from typing import TYPE_CHECKING, TypeVar

from tasks.artifacts.method import Method
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
        """One of ``VERDICTS``, by where the interval lies about the bound."""
        if self.figure.low > self.bound:
            return "shown"
        return "not shown" if self.figure.high <= self.bound else "underpowered"


@dataclass(frozen=True)
class Outcome:
    """What came of looking.

    Attributes:
        checks: At least one.
        figures: Numbers a reader wants to see beside them, as a table.
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
        bed: Folder of the bed the claim reads beside the study's results.
            ``data/beds/README.md``, which is always there, stands for none.
    """

    statement: str
    paper: str
    bed: str


P = TypeVar("P", bound=ClaimParams)


class Claim(Method[P], ABC):
    """One paper's effect, and what must be seen of it.

    Args:
        params: Of the study's block ``claim.<name>``.
    """

    @abstractmethod
    def outcome(self, results: "Results") -> Outcome:
        """Judge a study that ran.

        Args:
            results: What the study left, and its bed.
        """
