"""One run of the graph in this folder: what happens to each of its stages.

It knows no orchestrator. `flows.pipeline` calls it from Prefect's task runs,
`flows.local` from plain threads.
"""

import fcntl
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TextIO

from flows.engine.graph import Graph
from flows.engine.processes import Processes, log_path
from flows.engine.schedule import Outcome, tally
from tasks.artifacts.errors import RefusedError

LOGS = Path(".offcut/logs")
LOCK = Path(".offcut/run.lock")
TAIL = 20  # lines of a failed stage's log that its message shows
AGAIN = 1  # times a stage that was killed is started again

Tell = Callable[[str], None]  # takes a line for whoever watches the run


class Run:
    """Brings stages up to date, one call a stage, from any thread.

    Args:
        graph: The stages.
        timeout: Seconds a stage may take, or None.

    Attributes:
        outcomes: Of the stages that have ended.
        processes: The stages' commands.
    """

    def __init__(self, graph: Graph, timeout: float | None = None) -> None:
        self.graph, self.timeout = graph, timeout
        self.outcomes: dict[str, Outcome] = {}
        self.processes = Processes(timeout)

    def stage(self, name: str, tell: Tell = lambda _: None) -> Outcome:
        """Bring a stage up to date, whose parents have ended.

        Args:
            name: The stage.
            tell: Called with each line of its output.

        Returns:
            What became of it, which is kept in `outcomes` too. An error of any kind
            is a failed stage and is not raised.
        """
        try:
            self.outcomes[name] = self._stage(name, tell)
        except RefusedError as error:
            self.outcomes[name] = Outcome("failed", f"refused: {error}")
        except Exception as error:  # of DVC, say; nobody else would tell
            path = log_path(LOGS, name)
            with suppress(OSError), _open_log(path, "a") as log:
                traceback.print_exc(file=log)
            words = " ".join(f"{type(error).__name__}: {error}".split())
            self.outcomes[name] = Outcome("failed", f"{words}\nlog: {path}")
        return self.outcomes[name]

    def workers(self) -> int:
        """How many stages may run at once where the user does not say."""
        return len(os.sched_getaffinity(0))

    def stop(self) -> None:
        """End what still runs, and start no more."""
        self.processes.stop()

    def fetch(self, name: str) -> None:
        """Have a stage's outputs in this folder, where a run on one machine has them.

        Args:
            name: The stage.
        """

    def note(self) -> str:
        """What is said at the end, after how the stages ended; empty for nothing."""
        return ""

    def _stage(self, name: str, tell: Tell) -> Outcome:
        """Run a stage's command where it has to run, again if it was killed."""
        command = self.graph.begin(name, tell)
        if isinstance(command, str):
            return Outcome("cached", command)
        path = log_path(LOGS, name)
        started, code = time.monotonic(), None
        try:
            with _open_log(path, "w") as log:
                for left in reversed(range(AGAIN + 1)):
                    code = self.processes.run(command, log, tell)
                    if not (left and _killed(code)) or self.processes.stopped:
                        break
                    words = f"killed by signal {_killed(code)}; starting it again"
                    log.write(f"{words}\n")
                    tell(words)
        except BaseException:
            self.graph.leave(name)
            raise
        seconds = time.monotonic() - started
        if code == 0:
            self.graph.end(name)
            return Outcome("completed", f"{seconds:.1f} s", seconds)
        self.graph.leave(name)
        return Outcome("failed", f"{self._why(code)}\n{_tail(path)}", seconds)

    def _why(self, code: int | None) -> str:
        """Why a command did not succeed, from its exit code."""
        if self.processes.stopped:
            return "stopped"
        if code is None:
            return f"took longer than {self.timeout:g} s and was ended"
        killed = _killed(code)
        return f"killed by signal {killed}" if killed else f"exit code {code}"


def _killed(code: int | None) -> int:
    """The number of the signal that ended a command or its child, 0 if none did."""
    if code is None:
        return 0
    if 128 < code < 160:  # as shells say it
        return code - 128
    return max(-code, 0)


def _open_log(path: Path, mode: Literal["a", "w"]) -> TextIO:
    """Open a log, which takes any text: what UTF-8 lacks stands with backslashes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open(mode, encoding="utf-8", errors="backslashreplace")


def _tail(path: Path) -> str:
    """The last lines of a log, and where it lies."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([*lines[-TAIL:], f"log: {path}"])


@contextmanager
def alone(tell: Tell, lock: Path = LOCK) -> Iterator[None]:
    """One run at a time in a folder: the second waits, then finds all cached.

    Args:
        tell: Called with a line if it has to wait.
        lock: The file that is locked; by default the current folder's.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            tell(f"waiting for the run of process {file.read() or '?'} in this folder")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def conclude(outcomes: Mapping[str, Outcome]) -> str:
    """Say in one line how the stages of a run ended.

    Args:
        outcomes: Of all stages.

    Returns:
        The line, e.g. ``5 stages: 3 cached, 2 completed``.

    Raises:
        RefusedError: If one failed; names all that did.
    """
    counts = tally(outcomes)
    failed = [name for name, o in outcomes.items() if o.state == "failed"]
    if failed:
        raise RefusedError(
            "the run",
            "stages",
            f"{len(failed)} that failed, {', '.join(failed)}",
            f"all to end well ({counts})",
            f"read their logs in {LOGS}, mend the cause and run again",
        )
    return counts
