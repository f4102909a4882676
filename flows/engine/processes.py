"""A stage's command as a child process: started, watched, ended.

Its output goes line by line into a log file and to whoever watches the run. The child
leads a process group of its own, which is ended as a whole when it takes too long or
the run is stopped. When the process or thread that started it dies, the kernel kills
the group's leader (Linux's parent-death signal, set by ``setpriv``).
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
# shells that would read the user's own files first; DVC starts them like this too
NO_STARTUP_FILES = {
    "zsh": ["--no-rcs"],
    "bash": ["--noprofile", "--norc"],
    "fish": ["--no-config"],
}


@dataclass(frozen=True)
class Command:
    """What a stage runs.

    Attributes:
        lines: Shell commands, run one after the other until one fails.
        shell: The program that reads them.
        env: Their environment.
        cwd: The folder they run in.
    """

    lines: tuple[str, ...]
    shell: str
    env: dict[str, str]
    cwd: Path


class Processes:
    """The child processes of one run.

    Args:
        timeout: Seconds one line of a stage's command may take, or None for no limit.

    Attributes:
        stopped: Whether the run is being ended; nothing starts any more.
    """

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self.stopped = False
        self._running: dict[int, threading.Event] = {}  # group: set when it has ended
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
            The exit code; negative if a signal ended it, as in `subprocess`; None if
            it was ended because it took too long.
        """
        code: int | None = 0
        for line in command.lines:
            code = self._run(line, command, log, tell)
            if code != 0:
                break
        return code

    def stop(self) -> None:
        """End all children, and start no more: this is how a run is cancelled."""
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
        """Run one line of a command to its end; returns as `run`."""
        options = NO_STARTUP_FILES.get(Path(command.shell).name, [])
        shell = [command.shell, *options, "-c", line]
        die_with_parent = [SETPRIV, "--pdeathsig", "KILL", "--"] if SETPRIV else []
        with self._lock:
            if self.stopped:
                return -signal.SIGTERM
            child = subprocess.Popen(
                [*die_with_parent, *shell],
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


def _end(group: int, late: threading.Event, ended: threading.Event) -> None:
    """End a child that takes too long; it is killed if it does not end itself."""
    late.set()
    _signal(group, signal.SIGTERM)
    if not ended.wait(GRACE):
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    """Send a signal to a child's whole group, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def log_path(folder: Path, stage: str) -> Path:
    """The log file of a stage.

    Args:
        folder: Where logs lie.
        stage: The stage, e.g. ``train@hopper-iql``.
    """
    return folder / f"{stage.replace('/', '_').replace(':', '_')}.log"
