"""Claims: is a paper's headline effect seen here, in miniature?

A method's claim is a file of this room, a study and, where the study's graph does not
carry all that is needed, a bed (``tasks/beds/``): study and bed make the policies and
numbers, the file says in a few lines what must be seen in them. It reads and judges;
nothing is trained or played here. What must be seen is written down before the numbers
are known, in ``params/claims/``: the bound, the smallest effect worth seeing and the
number of replicates.

A claim has one primary check, a number that must lie above a bound, with a t interval
low..high over replicates (training seeds with their data, mixtures, networks). Gates
ask before that whether the bed can show anything at all. All else that was measured
stands beside them with its own interval and is judged by nobody.

| verdict | when |
|---|---|
| ``bed refused`` | a gate does not hold, or one of the four kinds is missing |
| ``shown`` | bound < low |
| ``not shown`` | high <= bound |
| ``underpowered`` | the bound lies inside, or too few replicates (:class:`Check`) |
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from tasks.artifacts.method import Method
from tasks.artifacts.params import Params, Range
from tasks.statistics.replicates import needed

if TYPE_CHECKING:
    from tasks.claims.engine.results import Results

VERDICTS = ("shown", "not shown", "underpowered", "bed refused")
FEWEST = 8  # replicates, unless a pilot's deviation says that fewer are enough
# what each bed is asked before anything is judged
GATES = {
    "competence": "the positive control beats what is trivial",
    "headroom": "the positive control lies 3 standard errors above the baseline",
    "range": "the baseline lies neither on the floor nor at the ceiling",
    "noise": "the same thing measured twice differs by less than the smallest effect",
}


@dataclass(frozen=True)
class Figure:
    """A measured number with its 95 % interval.

    Attributes:
        name: What was measured of whom, e.g. ``riql - iql, four corruptions``.
        value: In ``unit``.
        low: Lower end of the interval.
        high: Upper end.
        unit: E.g. ``score``: 0 the random policy, 100 the best behaviour policy.
        of: What the replicates are, e.g. ``training seeds``.
        n: How many.
        sd: Their standard deviation; None where the interval comes of permutations.
        exact: Why the number has no chance in it, which alone spares the interval.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    of: str = ""
    n: int = 0
    sd: float | None = None
    exact: str = ""

    def __post_init__(self) -> None:
        """Refuse a number without an interval.

        Raises:
            ValueError: If there are fewer than two replicates, or no word for them, and
                no reason why the number is exact; or if it lies outside its interval.
        """
        if not self.exact and (self.n < 2 or not self.of):
            said = f"{self.n} replicates {self.of}".strip()
            raise ValueError(f"{self.name} has no interval: {said}")
        if not self.low <= self.value <= self.high:
            said = f"{self.low:g} to {self.high:g}"
            raise ValueError(f"{self.name}: {self.value:g} outside of {said}")


@dataclass(frozen=True)
class Check:
    """The one thing that must be seen; see :meth:`Claim.check`.

    Attributes:
        figure: The number, often a difference of two arms.
        bound: What it must exceed, in the figure's unit.
        smallest: The smallest excess over the bound worth seeing, likewise.
        pilot_sd: Deviation of a pilot's replicates, 0 where there was none.
    """

    figure: Figure
    bound: float
    smallest: float
    pilot_sd: float = 0.0

    @property
    def enough(self) -> bool:
        """Whether there are 8 replicates, or as many as a pilot's deviation asks."""
        n, pilot = self.figure.n, self.pilot_sd
        few = pilot > 0 and needed(pilot, self.smallest) <= n
        return n >= FEWEST or few or bool(self.figure.exact)

    @property
    def verdict(self) -> str:
        """By where the interval lies about the bound, if there are enough."""
        if not self.enough:
            return "underpowered"
        if self.figure.low > self.bound:
            return "shown"
        return "not shown" if self.figure.high <= self.bound else "underpowered"


@dataclass(frozen=True)
class Gate:
    """What the bed must be able to do; ``cores/gates.py`` makes them.

    Attributes:
        kind: One of ``GATES``.
        figure: What was measured of it.
        rule: What is asked of the figure, e.g. ``above 10 by its whole interval``.
        passed: Whether it holds.
    """

    kind: str
    figure: Figure
    rule: str
    passed: bool


@dataclass(frozen=True)
class Outcome:
    """What came of looking.

    Attributes:
        primary: What decides, where the bed holds.
        gates: At least one of each kind, in any order.
        figures: Numbers a reader wants to see beside them, judged by nobody.
    """

    primary: Check
    gates: Sequence[Gate]
    figures: Sequence[Figure]

    @property
    def refused(self) -> list[str]:
        """Why the bed is refused, in words; empty where it is not."""
        kinds = {gate.kind for gate in self.gates}
        missing = [f"{kind}: no gate asks" for kind in GATES if kind not in kinds]
        failed = [
            f"{gate.kind}: {gate.figure.name} is {gate.figure.value:.4g} "
            f"[{gate.figure.low:.4g}, {gate.figure.high:.4g}] {gate.figure.unit}, "
            f"expected {gate.rule}"
            for gate in self.gates
            if not gate.passed
        ]
        return [*missing, *failed]

    @property
    def verdict(self) -> str:
        """The gates', or the primary's."""
        return "bed refused" if self.refused else self.primary.verdict


@dataclass(frozen=True)
class ClaimParams(Params):
    """What every claim says before it is looked at; see params/claims/.

    Attributes:
        statement: The effect in one sentence, which the primary check decides.
        paper: The paper's own figure, with its source.
        bed: Folder of the bed the claim reads beside the study's results.
            ``data/beds/README.md``, which is always there, stands for none.
        primary: What is subtracted from what, over which replicates, paired how.
        bound: What it must exceed, in its unit.
        smallest: The smallest excess worth seeing, likewise.
        n: Replicates planned; a result of another number is refused.
        pilot_sd: Deviation of a pilot's replicates, 0 where there was none.
        pilot: Which seeds the pilot had, none of which are reported.
    """

    statement: str
    paper: str
    bed: str
    primary: str
    bound: Annotated[float, Range(-1e9, 1e9)]
    smallest: Annotated[float, Range(0, 1e9, open=True)]
    n: Annotated[int, Range(1, 10_000)]
    pilot_sd: Annotated[float, Range(0, 1e9)]
    pilot: str


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

    def check(self, figure: Figure) -> Check:
        """The primary check, by the bound and the plan in the parameters.

        Raises:
            ValueError: If there are not as many replicates as were planned.
        """
        p = self.params
        if not figure.exact and figure.n != p.n:
            raise ValueError(f"{figure.name}: {figure.n} replicates of {p.n} planned")
        return Check(figure, p.bound, p.smallest, p.pilot_sd)
