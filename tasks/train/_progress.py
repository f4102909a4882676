"""What a user sees while training: a bar, or in a log a line now and then."""

import sys
from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Console

LINES = 10  # in a log


class Progress:
    """A bar with losses and value estimates, drawn only when called (no thread).

    Args:
        title: Dataset and learner.
        updates: How many there will be.
    """

    def __init__(self, title: str, updates: int) -> None:
        self.title, self.updates, self.lines = title, updates, 0
        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[metrics]}"),
            console=Console(file=sys.stderr, highlight=False),
            auto_refresh=False,
        )
        self.live = self.bar.console.is_terminal
        self.task = self.bar.add_task(title, total=updates, metrics="")

    def __enter__(self) -> Self:
        """Show it."""
        if self.live:
            self.bar.start()
        return self

    def __call__(self, done: int, metrics: dict[str, float]) -> None:
        """Show the state after ``done`` updates; metrics are means over seeds."""
        words = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        if self.live:
            self.bar.update(self.task, completed=done, metrics=words, refresh=True)
        elif done * LINES // self.updates > self.lines:
            self.lines = done * LINES // self.updates
            text = f"{self.title}: {done}/{self.updates}  {words}"
            self.bar.console.print(text, soft_wrap=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        self.bar.stop()
