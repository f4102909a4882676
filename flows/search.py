"""Search a study's numbers: ``python -m flows.search NAME --space ... --goal ...``.

Optuna, of the extra ``search``, proposes the numbers of one trial after the other. Each
trial is the study with these numbers, run as ``make study`` runs it, and ends as an
experiment, ``<search>-<trial>``. Where a Prefect server of the project runs, trials are
runs there; none is started for them.

A search is kept in ``.offcut/search/<search>``, named by the study and a hash of the
commit, the space, the goal and the overrides: the same command, after a kill or with
more trials, goes on where it was.
"""

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dvc.api
import yaml

from flows.engine.run import alone
from flows.experiments.goal import Found, Goal, goal
from flows.experiments.plan import Study, key, plan, words
from flows.experiments.space import Dimension, leaves, space
from flows.experiments.trials import Trials, imported
from flows.experiments.worktree import perform
from flows.local import run_locally
from flows.server.settings import settings
from flows.server.start import running
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.stage import run_stage

SEARCHES = Path(".offcut/search")
TABLE = "data/report/table.json"
IN_A_ROW = 3  # trials that fail one after the other, after which a search ends
TRIALS = 20  # where neither trials nor minutes are said
Values = Mapping[str, Any]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m flows.search", description=__doc__
    )
    options.add_argument("study", help="a file of params/study/")
    options.add_argument("--space", default="", help="key=low..high key=a,b,c ...")
    options.add_argument("--goal", default="score", help="e.g. score at <= 10 kB")
    options.add_argument("--trials", default="", help="in all, earlier ones included")
    options.add_argument("--minutes", default="", help="after which no trial begins")
    options.add_argument("--set", default="", help="overrides of every trial")
    options.add_argument("--local", action="store_true", help="without Prefect")
    return options


@dataclass(frozen=True)
class Search:
    """A search that was checked.

    Attributes:
        base: The study with its own values.
        dimensions: Of the space.
        goal: What is looked for.
        name: Of the search, from which those of its experiments follow.
    """

    base: Study
    dimensions: tuple[Dimension, ...]
    goal: Goal
    name: str

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.base.root / SEARCHES / self.name

    def own(self) -> Values | None:
        """The study's own values; None where one lies outside the space."""
        known = dict(leaves(yaml.safe_load(self.base.params)))
        own = {d.key: d.own(known[d.key]) for d in self.dimensions}
        return None if None in own.values() else own

    def trial(self, values: Values, experiment: str = "") -> Study:
        """The study of a trial, checked.

        Raises:
            RefusedError: If the study refuses the values, or HEAD is no longer the
                commit that the search began on.
        """
        overrides = [*self.base.overrides, *assignments(values)]
        planned = plan(self.base.root, self.base.name, overrides, experiment)
        if planned.commit != self.base.commit:
            where, found = f"search {self.name}", f"HEAD at {planned.commit[:7]}"
            expected = f"{self.base.commit[:7]}, which the search began on"
            mend = "check that commit out, or begin another search"
            raise RefusedError(where, "commit", found, expected, mend)
        return planned

    def found(self, number: int) -> Found | None:
        """What the experiment of a trial came to."""
        name = f"{self.name}-{number}"
        text = dvc.api.read(TABLE, repo=str(self.base.root), rev=name)
        return self.goal.of(json.loads(text))


def search(root: Path, name: str, text: str, looked_for: str, given: str) -> Search:
    """Check a search; nothing is written.

    Args:
        root: The user's clone.
        name: A file of params/study/, without its ending.
        text: The space, as `flows.experiments.space` reads it.
        looked_for: The goal, as `flows.experiments.goal` reads it.
        given: Overrides of every trial, quoted as in a shell.

    Raises:
        RefusedError: On a study, an override, a space or a goal that will not do, or an
            end of the space that the study refuses.
    """
    base = plan(root, name, words(given))
    params = yaml.safe_load(base.params)
    dimensions = tuple(space(text, params))
    sought = goal(looked_for, params)
    decisive = [base.commit, text, sought.text, *base.overrides]
    named = key(name, "\0".join(decisive).encode())
    checked = Search(base, dimensions, sought, named)
    for at in range(max(len(d.edges()) for d in dimensions)):
        # each end of an interval and each choice, beside those of the other keys
        checked.trial({d.key: d.edges()[at % len(d.edges())] for d in dimensions})
    return checked


def assignments(values: Values) -> list[str]:
    """Values as overrides."""
    return [f"{name}={value}" for name, value in values.items()]


def shown(values: Values) -> str:
    """Values in a line, numbers with four digits."""
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def budget(trials: str, minutes: str) -> tuple[float, float]:
    """How many trials, and how many seconds, a search may take; inf is no limit.

    Raises:
        RefusedError: If one is no number above 0.
    """
    given = []
    for name, text, example in (("TRIALS", trials, "20"), ("MINUTES", minutes, "60")):
        try:
            number = float(text or "inf")
        except ValueError:
            number = 0.0
        whole = name == "MINUTES" or not text or number.is_integer()
        if not number > 0 or not whole:
            expected = "a whole number above 0" if name == "TRIALS" else "above 0"
            raise RefusedError(name, "number", text, expected, f"e.g. {name}={example}")
        given.append(number)
    count, limit = given
    return (count if trials or minutes else TRIALS), 60 * limit


def perform_trial(planned: Study, log: Path, *, served: bool) -> None:
    """Run a trial to its experiment.

    Args:
        planned: Its study.
        log: Gets what its stages say.
        served: Whether it is to be a run of the Prefect server.

    Raises:
        RefusedError: If a stage failed.
    """
    with log.open("a", errors="backslashreplace") as file, redirect_stdout(file):
        if not served:
            perform(planned, run_locally, tell=print)
            return
        os.environ |= settings(planned.root)  # read when Prefect is imported
        from flows.study import study_in_prefect

        try:
            study_in_prefect(planned, 0, keep=False)
        except SystemExit as failed:
            where = planned.folder.relative_to(planned.root)
            mend = "see its run in Prefect"
            raise RefusedError(where, "run", failed, "a good end", mend) from None


def run(
    searched: Search,
    trials: float,
    seconds: float,
    tell: Callable[[str], None],
    *,
    served: bool = False,
) -> None:
    """Run trials until the budget is used up.

    Args:
        searched: The search.
        trials: In all, those of earlier calls included.
        seconds: After which no other trial begins.
        tell: Called with a line where there is something to say.
        served: Whether trials are to be runs of the Prefect server.

    Raises:
        RefusedError: If Optuna is missing, trials fail one after the other, or the
            clone is no longer as it was when the search began.
    """
    imported()  # before anything is written
    searched.folder.mkdir(parents=True, exist_ok=True)
    with alone(tell, searched.folder / "lock"):
        kept = Trials(searched.folder, searched.dimensions, searched.own())
        before, began, failed = len(kept.done()), time.monotonic(), 0
        tell(f"search {searched.name}: {before} trials have ended before")
        while (ended := len(kept.done())) < trials:
            spent = time.monotonic() - began
            if spent >= seconds:
                break
            number, values = kept.propose()
            log = searched.folder / f"trial-{number}.log"
            tell(f"trial {number}: {shown(values)}; log: {log}")
            planned = searched.trial(values, f"{searched.name}-{number}")
            try:
                perform_trial(planned, log, served=served)
            except RefusedError as error:
                failed += 1
                if failed == IN_A_ROW:
                    raise
                tell(f"trial {number} failed: {error}")
                kept.tell(number, None)
                continue
            failed, found = 0, searched.found(number)
            kept.tell(number, found.value if found else None)
            said = found or "no file is small enough"
            spent = time.monotonic() - began
            each = spent / (ended + 1 - before)
            left = min(each * (trials - ended - 1), max(seconds - spent, 0.0))
            tell(f"trial {number}: {said}; {best_of(kept)}, {left / 60:.0f} min left")
        for line in conclusion(searched, kept):
            tell(line)


def best_of(kept: Trials) -> str:
    """The best trial so far, in words."""
    best = kept.best()
    return f"best so far {best.value:.1f}, trial {best.number}" if best else "no best"


def conclusion(searched: Search, kept: Trials) -> list[str]:
    """What a search came to, and the commands that come next."""
    best = kept.best()
    if best is None:
        return ["no trial has a value yet"]
    name = f"{searched.name}-{best.number}"
    seeds = yaml.safe_load(searched.base.params)["study"]["seeds"]
    others = ",".join(str(max(seeds) + 1 + i) for i in range(len(seeds)))
    given = [*searched.base.overrides, *assignments(best.params)]
    again = shlex.join([*given, f"study.seeds=[{others}]"])
    return [
        f"best of {len(kept.done())}: {searched.found(best.number)}, {name}, with "
        f"{shown(best.params)}",
        f"bring it in with: dvc exp apply {name} && make report",
        "the best of many looks better than it is; with other seeds: make study "
        f'NAME={searched.base.name} SET="{again}"',
    ]


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201, a command prints


def main() -> None:
    """Search as the command line says."""
    given = parser().parse_args()
    root = Path.cwd()
    trials, seconds = budget(given.trials, given.minutes)
    searched = search(root, given.study, given.space, given.goal, given.set)
    served = not given.local and bool(running(root))
    run(searched, trials, seconds, say, served=served)


if __name__ == "__main__":
    sys.exit(run_stage(main))
