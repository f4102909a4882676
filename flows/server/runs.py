"""How a flow run is called, how it ends on a refusal, and what it shows meanwhile."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from uuid import UUID

from coolname.data import config
from httpx import HTTPError
from prefect import runtime
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import CancelledRun, FailedRun
from prefect.logging.handlers import PrefectConsoleHandler

from flows.engine.progress import Watch
from tasks.artifacts.progress import SHORT, Progress

LONGEST = 120  # letters of a run's name
EVERY = 5  # seconds between two updates of a page
# Prefect's server draws two of these words for a run without a name, ``quick-otter``
LISTS = cast("dict[str, dict[str, Any]]", config).values()
DRAWN = frozenset(word for words in LISTS for word in words.get("words", ()))
# and its form for a custom run one of these and an animal, ``Refined-Onager``
FORM = re.compile(
    r"(Awesome|Ergonomic|Fantastic|Generic|Gorgeous|Handcrafted|Handmade|Incredible|"
    r"Intelligent|Licensed|Practical|Refined|Rustic|Sleek|Small|Tasty|Unbranded)"
    r"-[A-Z][A-Za-z ]{,5}"
)


def title(default: Callable[..., str]) -> Callable[[], str]:
    """Name runs of a flow by what the user typed.

    Args:
        default: Makes a name of the flow's parameters.

    Returns:
        Gives the present run the name typed for it, if one was, or the default.
    """

    def name() -> str:
        typed = str(runtime.flow_run.name or "")
        drawn = set(typed.split("-")) <= DRAWN or FORM.fullmatch(typed)
        if typed and not drawn:
            return typed
        return short(default(**runtime.flow_run.parameters))

    return name


def short(name: str) -> str:
    """A name of one line that is not too long."""
    words = " ".join(name.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 3]}..."


def not_of_a_refusal(record: logging.LogRecord) -> bool:
    """Whether a record is worth a line of the log.

    A run that failed says why as its state. Prefect raises that state once more where
    the run was started from a page, and would log the same words below a traceback.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, FailedRun | CancelledRun)


for logger in ("prefect.flow_runs", "prefect.engine"):
    logging.getLogger(logger).addFilter(not_of_a_refusal)


class RunDisplay:
    """A run's progress, on its own page and in the terminal.

    Args:
        watch: Of the run.
        bar: In the terminal.
    """

    def __init__(self, watch: Watch, bar: Progress) -> None:
        self.watch, self.bar = watch, bar
        self.artifact: UUID | None = None
        self.at = time.monotonic() - EVERY + SHORT  # when the page was last brought up

    def look(self) -> None:
        """Show how far the run is, where that was not done a moment ago."""
        self.watch.show(self.bar)
        if time.monotonic() - self.at >= EVERY:
            self.show()

    def show(self) -> None:
        """Show on the page how far the run is."""
        self.at, now = time.monotonic(), self.watch.standing()
        percent = round(100 * now.done / max(now.total, 1), 1)
        with suppress(HTTPError):  # a server that is busy ends no run
            if self.artifact:
                update_progress_artifact(self.artifact, percent, str(now))
                return
            made = create_progress_artifact(percent, "progress", str(now))
            self.artifact = cast("UUID", made)  # in a flow without async no coroutine


@contextmanager
def displayed(watch: Watch) -> Iterator[RunDisplay]:
    """Show the progress of the present flow run.

    Args:
        watch: Of the run of the graph.
    """
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, PrefectConsoleHandler)
    ]
    before = [handler.console for handler in handlers]
    name = str(runtime.flow_run.name or "run")
    with Progress(name, len(watch.run.graph.names) or 1) as bar:
        for handler in handlers if bar.live else ():
            handler.console = bar.console  # its lines stand above the bar
        try:
            yield RunDisplay(watch, bar)
        finally:
            for handler, console in zip(handlers, before, strict=True):
                handler.console = console
