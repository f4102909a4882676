"""A Dask cluster of real processes, each worker in its own clone of a project."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LONG = 120  # seconds until a test gives up


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something."""
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dasks:
    """A scheduler on loopback, and workers.

    Args:
        logs: Folder for what they print.
        env: Environment.
    """

    def __init__(self, logs: Path, env: Mapping[str, str]) -> None:
        self.logs, self.env = logs, dict(env) | {"DASK_CONFIG": str(logs / "none")}
        self.running: list[subprocess.Popen[bytes]] = []
        port = str(free_port())
        self.address = f"tcp://127.0.0.1:{port}"
        arguments = ("--host", "127.0.0.1", "--port", port, "--no-dashboard")
        self.start("scheduler", logs, *arguments)
        self.said("scheduler", "Scheduler at")

    def start(self, name: str, folder: Path, *arguments: str) -> int:
        """Start ``dask NAME``; its process id."""
        kind = name.partition("-")[0]
        with (self.logs / name).open("wb") as log:
            child = subprocess.Popen(
                ["python", "-m", "dask", kind, *arguments],
                cwd=folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running.append(child)
        return child.pid

    def worker(self, name: str, clone: Path, *, nanny: bool = False) -> int:
        """Start a worker in a clone and wait for it; its process id."""
        own = () if nanny else ("--no-nanny",)
        scratch = ("--local-directory", str(self.logs))
        pid = self.start(
            f"worker-{name}", clone, self.address, "--nthreads", "1",
            "--name", name, "--no-dashboard", "--host", "127.0.0.1", *own, *scratch,
        )  # fmt: skip
        self.said(f"worker-{name}", "Registered to")
        return pid

    def log(self, name: str) -> str:
        return (self.logs / name).read_text()

    def said(self, name: str, what: str) -> None:
        until(lambda: re.search(what, self.log(name)), f"{name}: {what}")

    def end(self) -> None:
        for child in reversed(self.running):
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@contextmanager
def dasks(logs: Path, env: Mapping[str, str]) -> Iterator[Dasks]:
    """A cluster that ends with the test."""
    logs.mkdir()
    made = Dasks(logs, env)
    try:
        yield made
    finally:
        made.end()
