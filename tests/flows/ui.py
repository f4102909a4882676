"""``make ui`` of a folder, as a process of its own, and what /proc says of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from flows.server.endpoint import bound, call
from flows.server.settings import settings
from tests.flows.toy import ROOT

DONE = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
PATIENCE = 240  # seconds; a cold server on a busy machine takes 60


def environment(root: Path) -> dict[str, str]:
    """Of a process that may use the project's Prefect, and no other."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | settings(root) | {"PYTHONPATH": str(ROOT), "PATH": path}


def free_port() -> int:
    with bound(0) as listener:
        return int(listener.getsockname()[1])


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for a condition; its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := true():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, of in parents.items() if of in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; zombies do not."""
    running = set()
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text.rpartition(")")[2].split()[0] not in "ZX":
            running.add(pid)
    return running


class Ui:
    """A started ``make ui``.

    Args:
        folder: Of the project.
        env: Of the process.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env, self.port = folder, env, free_port()
        self.log = folder / ".offcut" / "ui.log"
        self.log.parent.mkdir(exist_ok=True)
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.begin()

    def begin(self) -> None:
        """Start it, or start it again."""
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.serve", "--port", str(self.port)],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(self._ready, "make ui")
        except BaseException:
            self.end(signal.SIGKILL)
            raise

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        return "Ctrl-C ends all" in self.said()

    def said(self) -> str:
        return self.log.read_text()

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def call(self, path: str, body: object = None) -> Any:
        """Ask the API; a database that is busy says 503, and clients ask again."""
        for _ in range(20):
            try:
                return call(self.url, path, body)
            except HTTPError as error:
                if error.code != 503:
                    raise
                time.sleep(0.5)
        return call(self.url, path, body)

    def deployment(self, name: str) -> Any:
        return self.call(f"deployments/name/{name}/{name}")

    def start(self, name: str, /, **parameters: object) -> str:
        """Start a deployment; the flow run."""
        path = f"deployments/{self.deployment(name)['id']}/create_flow_run"
        return str(self.call(path, {"parameters": parameters})["id"])

    def state(self, run: str) -> Any:
        return self.call(f"flow_runs/{run}")["state"]

    def reach(self, run: str, *types: str) -> Any:
        """Wait until a run is in one of these states; the state."""

        def there() -> Any:
            state = self.state(run)
            assert state["type"] in types or state["type"] not in DONE, state
            return state if state["type"] in types else None

        return until(there, f"{types} of {run}")


@contextmanager
def serving(folder: Path, env: dict[str, str]) -> Iterator[Ui]:
    ui = Ui(folder, env)
    try:
        yield ui
    finally:
        if ui.process.poll() is None:
            ui.end()
