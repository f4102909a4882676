"""A logger that keeps what it gets in lines of a file, for tests."""

from collections.abc import Mapping
from pathlib import Path

from tasks import loggers


class Run(loggers.Run):
    """A file a run: name, step and numbers, a line each, ``closed`` at its end."""

    def __init__(self, folder: Path, group: str, name: str) -> None:
        self.file = folder / group / f"{name}.txt"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        words = " ".join(f"{name}={value!r}" for name, value in metrics.items())
        with self.file.open("a") as file:
            file.write(f"{step} {words}\n")

    def close(self) -> None:
        with self.file.open("a") as file:
            file.write("closed\n")


class Failing(Run):
    """One whose disk is full at the third line."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        super().log(step, metrics)
        if len(self.file.read_text().splitlines()) > 2:
            raise OSError(28, "No space left on device")
