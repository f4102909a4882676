"""Loggers: learning curves and scores in another tool, while a stage works.

``OFFCUT_LOGGER=tensorboard`` (or ``mlflow``, ``dvclive``) sends a copy of what a stage
measures to ``.offcut/logs/<logger>`` of the clone, also from the worktree of a study.
Nothing else changes: a logger is no parameter, so no artefact, hash or experiment knows
of it, and no stage runs again for it. One that fails warns once and is silent.

| file | the logger |
|---|---|
| ``tensorboard`` | event files, for ``tensorboard --logdir .offcut/logs/tensorboard`` |
| ``mlflow`` | MLflow's store of files |
| ``dvclive`` | DVCLive's tables and metrics.json |

Their libraries are extras of the same names. A logger is found by its name in
`LOGGERS`, not by an import, so an edit of one runs no training again.
"""

import importlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.nearest import suggestion

VARIABLE = "OFFCUT_LOGGER"
LOGS = Path(".offcut/logs")
# by name its module, which has a class Run, and the library that it needs
LOGGERS = {
    "tensorboard": ("tasks.loggers.tensorboard", "tensorboard"),
    "mlflow": ("tasks.loggers.mlflow", "mlflow"),
    "dvclive": ("tasks.loggers.dvclive", "dvclive"),
}


class Run(ABC):
    """What a logger keeps of one training of one seed, or of one evaluation.

    Args:
        folder: Of the logger.
        group: ``workspace``, or the name of a study's worktree.
        name: Of the run in it, words between slashes. One of the same name is replaced.
    """

    @abstractmethod
    def __init__(self, folder: Path, group: str, name: str) -> None: ...

    @abstractmethod
    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keep some numbers.

        Args:
            step: Updates done.
            metrics: Finite numbers by name.
        """

    @abstractmethod
    def close(self) -> None:
        """Write what is not written yet."""


def check_logger() -> None:
    """Refuse a logger that is none, or whose library is missing.

    Raises:
        RefusedError: So, before a stage begins its work.
    """
    name = _chosen()
    if not name:
        return
    if name not in LOGGERS:
        expected, mend = suggestion(name, ["none", *LOGGERS])
        raise RefusedError("environment", VARIABLE, name, expected, mend)
    library = LOGGERS[name][1]
    if find_spec(library) is None:
        raise RefusedError(
            "environment",
            VARIABLE,
            f"{name}, without the package {library}",
            f"the extra {name}",
            f"run: {sys.executable} -m pip install -e '.[{name}]'",
        )


class Runs:
    """The runs of one stage, opened when they are first logged to.

    Without OFFCUT_LOGGER, and after the first failure, it does nothing.
    """

    def __init__(self) -> None:
        here = Path.cwd()
        top, self.group = here, "workspace"
        if here.parts[-3:-1] == (".offcut", "studies"):  # a worktree of the clone
            top, self.group = here.parents[2], here.name
        self.name = _chosen()
        self.folder = top / LOGS / self.name
        self.open: dict[str, Run] = {}

    def log(self, run: str, step: int, metrics: Mapping[str, float]) -> None:
        """Keep some numbers of a run, which is opened if it is not yet.

        Args:
            run: Its name, words between slashes.
            step: Updates done.
            metrics: Finite numbers by name.
        """
        if not self.name:
            return
        try:
            if run not in self.open:
                made: type[Run] = importlib.import_module(LOGGERS[self.name][0]).Run
                self.open[run] = made(self.folder, self.group, run)
            self.open[run].log(step, metrics)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(  # noqa: T201, a stage warns
            f"warning: the logger {self.name} failed and is off: {said:.300}",
            file=sys.stderr,
            flush=True,
        )
        self.name, self.open = "", {}

    def __enter__(self) -> Self:
        """Nothing is opened yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the runs."""
        try:
            for run in self.open.values():
                run.close()
        except Exception as failed:
            self._give_up(failed)
        self.open = {}


def _chosen() -> str:
    """The logger's name; empty for none."""
    name = os.environ.get(VARIABLE, "")
    return "" if name == "none" else name
