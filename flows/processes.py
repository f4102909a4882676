"""A stage's command as a child process.

Its output goes line by line into a log file, which is the truth, and to whoever
listens. The child leads a process group of its own, which is ended as a whole: when it
takes too long, when the run is stopped, and, by the kernel, when the process or thread
that started it dies (for the leader; Linux's parent-death signal, set by ``setpriv``).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SETPRIV = shutil.which("setpriv")
GRACE = 10  # seconds between SIGTERM and SIGKILL


@dataclass(frozen=True)
class Command:
    """What a stage runs.

    Attributes:
        lines: Shell commands, one after the other.
        shell: Program that reads them.
        env: Environment.
        cwd: Folder.
    """

    lines: tuple[str, ...]
    shell: str
    env: dict[str, str]
    cwd: Path


class Processes:
    """The children of one run.

    Args:
        timeout: Seconds one stage may take, or None.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self.stopped = False
        self._running: dict[int, threading.Event] = {}  # group, whether it has ended
        self._lock = threading.Lock()

    def run(
        self, command: Command, log: IO[str], tell: Callable[[str], None]
    ) -> int | None:
        """Run a command to its end.

        Args:
            command: What to run.
            log: Where each line goes at once.
            tell: Called with each line, without its end.

        Returns:
            The exit code, negative for a signal as in `subprocess`; None if it was
            ended because it took too long.
        """
        code: int | None = 0
        for line in command.lines:
            code = self._run(line, command, log, tell)
            if code != 0:
                break
        return code

    def stop(self) -> None:
        """End all children, and start no more."""
        with self._lock:
            self.stopped = True
            running = dict(self._running)
        for group in running:
            _signal(group, signal.SIGTERM)
        for group, ended in running.items():
            if not ended.wait(GRACE):
                _signal(group, signal.SIGKILL)

    def _run(
        self, line: str, command: Command, log: IO[str], tell: Callable[[str], None]
    ) -> int | None:
        shell = [command.shell, *_PLAIN.get(Path(command.shell).name, []), "-c", line]
        dies = [SETPRIV, "--pdeathsig", "KILL", "--"] if SETPRIV else []
        with self._lock:
            if self.stopped:
                return -signal.SIGTERM
            child = subprocess.Popen(
                [*dies, *shell],
                cwd=command.cwd,
                env=command.env | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._running[child.pid] = ended = threading.Event()
        late = threading.Event()
        timer = threading.Timer(self.timeout or 0, _end, (child.pid, late, ended))
        if self.timeout:
            timer.start()
        try:
            assert child.stdout  # noqa: S101, it is a pipe
            for text in child.stdout:
                log.write(text)
                log.flush()
                tell(text.rstrip("\n"))
            # while the leader is not reaped its group's number belongs to nobody else
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        finally:
            timer.cancel()
            with self._lock:  # from here on nobody else sends signals to the group
                del self._running[child.pid]
                ended.set()
            _signal(child.pid, signal.SIGKILL)  # with what the leader left behind
            code = child.wait()
        return None if late.is_set() else code


# shells that would read the user's own files first; DVC starts them like this too
_PLAIN = {
    "zsh": ["--no-rcs"],
    "bash": ["--noprofile", "--norc"],
    "fish": ["--no-config"],
}


def _end(group: int, late: threading.Event, ended: threading.Event) -> None:
    """End a child that takes too long."""
    late.set()
    _signal(group, signal.SIGTERM)
    if not ended.wait(GRACE):
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    """Send a signal to a child's whole group, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def log_path(folder: Path, stage: str) -> Path:
    """The log file of a stage."""
    return folder / f"{stage.replace('/', '_').replace(':', '_')}.log"
