"""Progress of a stage: a bar on a terminal, or in a log a line now and then."""

import sys
import time
from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Console

EVERY = 0.1  # seconds between two drawings


class Progress:
    """A progress bar on stderr, drawn only when called: it starts no thread.

    Args:
        title: What is being done.
        total: The amount of work, above 0, in any unit.
        lines: How many lines are printed in all where stderr is no terminal.
    """

    def __init__(self, title: str, total: float, lines: int = 0) -> None:
        self.title, self.total, self.lines = title, total, lines
        self.printed, self.drawn = 0, 0.0  # lines; when, in seconds
        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[words]}"),
            console=Console(file=sys.stderr, highlight=False),
            auto_refresh=False,
            transient=not lines,
        )
        self.live = self.bar.console.is_terminal
        self.task = self.bar.add_task(title, total=total, words="")

    def __enter__(self) -> Self:
        """Show the bar."""
        if self.live:
            self.bar.start()
        return self

    def __call__(self, done: float, words: str = "") -> None:
        """Show how much is done.

        Args:
            done: The amount of work, 0 to the total.
            words: What else to say of its state, e.g. a loss.
        """
        if self.live:
            due = done >= self.total or time.monotonic() - self.drawn >= EVERY
            self.bar.update(self.task, completed=done, words=words, refresh=due)
            self.drawn = time.monotonic() if due else self.drawn
        elif int(done * self.lines / self.total) > self.printed:
            self.printed = int(done * self.lines / self.total)
            text = f"{self.title}: {done:g}/{self.total:g}  {words}"
            self.bar.console.print(text, soft_wrap=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the bar; if lines were asked for, its last state stays on the screen."""
        if self.live:
            self.bar.stop()
