"""Progress of a stage: a bar on a terminal, or in a log a line now and then."""

import sys
import time
from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Console

EVERY = 0.5  # seconds between two drawings, which cost 1.4 ms each
SHORT = 3.0  # seconds; of what takes less nothing stays on the screen or in the log
LINES = 10.0  # seconds between two lines in a log


class Progress:
    """A progress bar on stderr, drawn only when called: it starts no thread.

    Where stderr is no terminal it prints a line after `SHORT` seconds, one every
    `LINES` seconds from then on, and one at the end. Both say how much time is left, at
    the pace since the first call: call it with 0 first where the steps are long.

    Args:
        title: What is being done.
        total: The amount of work, above 0, in any unit.

    Attributes:
        live: Whether stderr is a terminal.
        console: Where else lines may be printed meanwhile, above the bar.
    """

    def __init__(self, title: str, total: float) -> None:
        self.title, self.total = title, total
        self.begun = time.monotonic()
        self.first: tuple[float, float] | None = None  # when, and how much was done
        self.looked, self.printed = -EVERY, 0.0  # when, in seconds
        self.ended = False
        self.console = Console(file=sys.stderr, markup=False, highlight=False)
        self.live = self.console.is_terminal
        self.bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TextColumn("{task.fields[left]}", markup=False),
            progress.TextColumn("{task.fields[words]}", markup=False),
            console=self.console,
            auto_refresh=False,
            # above the bar; what goes elsewhere than to the terminal stays there
            redirect_stdout=sys.stdout.isatty(),
        )
        self.task = self.bar.add_task(title, total=total, words="", left="")

    def __enter__(self) -> Self:
        """Show the bar."""
        if self.live:
            self.bar.start()
        return self

    def __call__(self, done: float, words: str = "", left: str | None = None) -> None:
        """Show how much is done.

        Args:
            done: The amount of work, 0 to the total.
            words: What else to say of its state, e.g. a loss.
            left: How much time is left, in words; None to judge it by the pace.
        """
        now = time.monotonic()
        if self.first is None:
            self.first = now, done
        if now - self.looked < EVERY and done < self.total:
            return
        self.looked = now
        if self.live:
            left = self._left(now, done) if left is None else left
            self.bar.update(
                self.task, completed=done, words=words, left=left, refresh=True
            )
            return
        spent = now - self.begun
        due = now - self.printed >= LINES if self.printed else spent >= SHORT
        if done >= self.total:
            due, self.ended = spent >= SHORT and not self.ended, True
        if not due:
            return
        left = self._left(now, done) if left is None else left
        left = f"in {duration(spent)}" if done >= self.total else left
        self.printed = now
        ratio = f"{done:.10g}/{self.total:.10g}{left and ', '}{left}"
        self.console.print(f"{self.title}: {ratio}  {words}", soft_wrap=True)

    def _left(self, now: float, done: float) -> str:
        """How much time is left at the pace since the first call; empty at first."""
        assert self.first  # noqa: S101, a call has set it
        at, before = self.first
        if done <= before or done >= self.total:
            return ""
        return f"{duration((now - at) * (self.total - done) / (done - before))} left"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the bar; its last state stays on the screen unless it took no time."""
        if self.live:
            self.bar.live.transient = time.monotonic() - self.begun < SHORT
            self.bar.stop()


def duration(seconds: float) -> str:
    """A time in the unit that fits, e.g. ``40 s``, ``12 min`` or ``2.5 h``.

    Args:
        seconds: 0 or more.
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
