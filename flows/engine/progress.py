"""How far a run of the graph is: what is done, what runs, how long the rest takes.

How long a stage takes is known from the last time it ran; `Seconds` keeps that. Stages
that are running say themselves how far they are (`tasks.artifacts.progress`).
"""

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flows.engine.run import Run, Tell
from flows.engine.schedule import Outcome
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, write_json
from tasks.artifacts.progress import SHORT, Progress, duration

SECONDS = Path(".offcut/seconds.json")
# a line of tasks.artifacts.progress where stderr is no terminal
LINE = re.compile(
    r".+: (?P<done>[\d.e+-]+)/(?P<total>[\d.e+-]+)"
    r"(, (?P<left>[\d.]+) (?P<unit>s|min|h) left|, .+?)?  .*"
)
UNITS = {"s": 1, "min": 60, "h": 3600}  # seconds


@dataclass(frozen=True)
class Told:
    """What a stage says of its progress.

    Attributes:
        share: Of its work that is done, 0 to 1.
        words: All it says, in one line.
        left: Seconds it takes yet, or None if it does not say.
    """

    share: float
    words: str
    left: float | None = None


def told(line: str) -> Told | None:
    """Read a line of progress; None if it is another one.

    Args:
        line: Of a stage's output, without its end.
    """
    found = LINE.fullmatch(line)
    if not found:
        return None
    with suppress(ValueError, ZeroDivisionError):
        share = float(found["done"]) / float(found["total"])
        left = float(found["left"]) * UNITS[found["unit"]] if found["left"] else None
        if 0 <= share <= 1:
            return Told(share, " ".join(line.split()), left)
    return None


class Seconds:
    """How long each stage took when it last ran, kept in a file.

    A file that is not whole counts as none: this is no more than an estimate.

    Args:
        path: The file; several processes may use it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()  # a study's run works in another folder

    def read(self) -> dict[str, float]:
        """Seconds by stage."""
        with suppress(RefusedError):
            kept = read_json(self.path, "make flow", dict)
            numbers = {k: v for k, v in kept.items() if isinstance(v, int | float)}
            return {k: float(v) for k, v in numbers.items() if v >= 0}
        return {}

    def keep(self, name: str, seconds: float) -> None:
        """Write down how long a stage took; on a full disk nothing."""
        with suppress(RefusedError, OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kept = {**self.read(), name: round(seconds, 1)}
            write_json(self.path, dict(sorted(kept.items())))


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        done: How many stages have ended.
        total: How many there are.
        left: The time left, in words; empty where a stage has never run before.
        running: What runs now, in words.
    """

    done: int
    total: int
    left: str
    running: str

    def __str__(self) -> str:
        """All of it in one line."""
        left = f"; {self.left}" if self.left else ""
        now = f"; now {self.running}" if self.running else ""
        return f"{self.done} of {self.total} stages{left}{now}"


class Watch:
    """Follows the stages of one run, told from any thread.

    Args:
        run: The run.
        seconds: How long stages took before.
        workers: How many stages run at once; 0 is what the run says.
    """

    def __init__(self, run: Run, seconds: Seconds, workers: int) -> None:
        self.run, self.seconds = run, seconds
        self.workers = workers
        self.known = seconds.read()
        self.same: set[str] | None = None  # stages that will find nothing to run
        self.begun: dict[str, float] = {}  # when, in seconds
        self.told: dict[str, tuple[float, Told]] = {}  # when, and what

    def stage(self, name: str, tell: Tell) -> Outcome:
        """Bring a stage of the run up to date, as `Run.stage` does.

        Args:
            name: The stage.
            tell: Called with each line of its output.
        """

        def line(text: str) -> None:
            if found := told(text):
                self.told[name] = time.monotonic(), found
            tell(text)

        self.begun[name] = time.monotonic()
        outcome = self.run.stage(name, line)
        if outcome.state == "completed":
            self.seconds.keep(name, outcome.seconds)
        return outcome

    def standing(self) -> Standing:
        """How far the run is."""
        if self.same is None:
            self.same = self._same()
        ended, now = set(self.run.outcomes), time.monotonic()
        running = [name for name in list(self.begun) if name not in ended]
        parents = self.run.graph.parents
        rest = {n: self._rest(n, now) for n in parents if n not in ended}
        left = "" if None in rest.values() or not rest else self._left(rest)
        words = ", ".join(self._words(name, rest.get(name)) for name in running)
        return Standing(len(ended), len(parents), left, words)

    def show(self, bar: Progress) -> None:
        """Show in a terminal how far the run is, once it has taken a while.

        Args:
            bar: Of as many parts as there are stages.
        """
        if time.monotonic() - bar.begun >= SHORT:
            now = self.standing()
            bar(now.done, now.running, now.left)

    def _same(self) -> set[str]:
        """Stages that have not begun and will find nothing to run."""
        same: set[str] = set()
        for name, above in self.run.graph.parents.items():
            ended = self.run.outcomes.get(name)
            if ended or name in self.begun:
                if ended and ended.state == "cached":
                    same.add(name)
            elif set(above) <= same:
                with suppress(RefusedError, OSError):  # which the stage will say
                    if self.run.graph.is_up_to_date(name):
                        same.add(name)
        return same

    def _words(self, name: str, rest: float | None) -> str:
        """A stage that runs, with the share of its work that is done and its time."""
        found = self.told.get(name)
        share = f" {100 * found[1].share:.0f} %" if found else ""
        return f"{name}{share} ({duration(rest)} left)" if rest else f"{name}{share}"

    def _rest(self, name: str, now: float) -> float | None:
        """Seconds a stage has yet to run; None if that is not known."""
        begun, before = self.begun.get(name), self.known.get(name)
        if begun is None:
            return 0.0 if name in (self.same or ()) else before
        at, said = self.told.get(name, (now, None))
        if said and said.left is not None:
            return max(said.left - (now - at), 0.0)
        return None if before is None else max(before - (now - begun), 0.0)

    def _left(self, rest: Mapping[str, float | None]) -> str:
        """The time until all have ended: the longest chain, or the work shared out."""
        ends: dict[str, float] = {}
        for name, seconds in rest.items():
            above = [ends.get(n, 0.0) for n in self.run.graph.parents[name]]
            ends[name] = max(above, default=0.0) + (seconds or 0.0)
        work = sum(seconds or 0.0 for seconds in rest.values())
        shared = work / (self.workers or self.run.workers())
        seconds = max(shared, *ends.values(), 0.0)
        return f"about {duration(seconds)} left" if seconds >= 1 else ""
