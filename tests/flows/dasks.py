"""A Dask cluster of real processes, each worker in its own clone of a project."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.flows.toy import ROOT, STAGES, Toy

LONG = 120  # seconds until a test gives up


Drive = Callable[..., str]  # runs the command line, returns what it said


def states(said: str) -> dict[str, str]:
    """What became of the stages, by what a run said."""
    found = re.findall(r"^(\S+): (cached|completed|failed),", said, re.MULTILINE)
    return dict(found)


def alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


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
    """

    def __init__(self, logs: Path) -> None:
        self.logs, self.workers = logs, list[subprocess.Popen[bytes]]()
        port = str(free_port())
        self.address = f"tcp://127.0.0.1:{port}"
        arguments = ("--host", "127.0.0.1", "--port", port, "--no-dashboard")
        self.scheduler = self._start("scheduler", logs, *arguments)
        self._said("scheduler", "Scheduler at")

    def worker(self, clone: Path, *, nanny: bool = False) -> int:
        """Start a worker in a clone and wait for it; its process id."""
        name = f"worker-{len(list(self.logs.iterdir()))}"
        scratch = ("--local-directory", str(self.logs), "--no-dashboard")
        own = () if nanny else ("--no-nanny",)
        given = (self.address, "--nthreads", "1", "--host", "127.0.0.1", *scratch)
        child = self._start(name, clone, *given, *own)
        self.workers.append(child)
        self._said(name, "Registered to")
        return child.pid

    @staticmethod
    def process(worker: int) -> int:
        """The process that runs the stages: it, or the one it keeps as a nanny."""
        below = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
        named = [p for p in below if "spawn_main" in _line(p)]
        return int(named[0]) if named else worker

    def end_workers(self) -> None:
        for child in self.workers:
            _end(child)
        self.workers.clear()

    def end_scheduler(self) -> None:
        _end(self.scheduler)

    def end(self) -> None:
        self.end_workers()
        self.end_scheduler()

    def _start(
        self, name: str, folder: Path, *arguments: str
    ) -> "subprocess.Popen[bytes]":
        env = environment() | {
            "PYTHONPATH": str(folder if (folder / "flows").exists() else ROOT),
            "DASK_CONFIG": str(self.logs),  # not the user's own
        }
        with (self.logs / name).open("wb") as log:
            return subprocess.Popen(
                ["python", "-m", "dask", name.partition("-")[0], *arguments],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _said(self, name: str, what: str) -> None:
        path = self.logs / name
        until(lambda: what in path.read_text(), f"{name}: {what}")


def _line(process: str) -> str:
    """The command line of a process, if there is one."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a group, and the group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@contextmanager
def dasks(logs: Path) -> Iterator[Dasks]:
    """A cluster that ends with the test."""
    logs.mkdir()
    made = Dasks(logs)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def bucket() -> Iterator[str]:
    """The address of an S3 server that has the bucket ``data``."""
    from moto.server import ThreadedMotoServer  # which takes seconds

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        link = HTTPConnection(host, port)
        link.request("PUT", "/data")
        assert link.getresponse().status == 200
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def credentials(folder: Path) -> None:
    """Give a clone its own credentials for the bucket."""
    for key in ("access_key_id", "secret_access_key"):
        given = ("--local", "store", key, "dummy")
        command = ("python", "-m", "dvc", "remote", "modify", *given)
        subprocess.run(command, cwd=folder, env=environment(), check=True)


def environment() -> dict[str, str]:
    """What a worker's shell would have."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
        "SHELL": "/bin/sh",
        "NO_COLOR": "1",
    }


# beside the clones lies a file while stage make shall wait
HOLD = """\
if [ -e ../hold ]; then echo $$ $PWD > ../blocked; fi
while [ -e ../hold ]; do sleep 0.05; done
"""


class Field:
    """A small project and two clones of it, which share a remote.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver = toy = Toy(folder / "driver")
        # a file that git has beside outputs, a stage of a folder that others fill
        make = STAGES["make"]
        self.stages: dict[str, Any] = STAGES | {
            "make": make | {"cmd": f". ./hold.sh && {make['cmd']}"},
            "count": {
                "cmd": "mkdir -p out && ls -A parts > out/count.txt",
                "deps": ["parts", "made/b.txt"],
                "outs": ["out/count.txt"],
            },
            "copy": {
                "cmd": "cp out/count.txt out/copy.txt",
                "deps": ["out/count.txt"],
                "outs": ["out/copy.txt"],
            },
        }
        toy.write("hold.sh", HOLD)
        toy.write("parts/.keep", "")
        toy.run("git", "add", "-f", "parts/.keep")
        self.commit()

    def commit(self) -> None:
        self.driver.stages(self.stages)
        self.driver.commit()

    def remote(self, url: str, **options: str) -> None:
        """Name a DVC remote, then clone."""
        toy = self.driver
        toy.dvc("remote", "add", "-d", "store", url)
        for key, value in options.items():
            toy.dvc("remote", "modify", "store", key, value)
        toy.commit()
        self.clones = [self.clone(name) for name in "ab"]
        if url.startswith("s3:"):  # each machine has its own credentials
            for one in (toy, *self.clones):
                credentials(one.folder)

    def clone(self, name: str) -> Toy:
        made = Toy.__new__(Toy)  # made by git, not anew
        made.folder, made.env = self.folder / name, self.driver.env
        self.driver.run("git", "clone", "-q", ".", str(made.folder))
        return made

    def block(self) -> None:
        """Have stage make wait for `release`."""
        (self.folder / "hold").touch()

    def blocked(self) -> tuple[Path, int]:
        """Wait for the stage; its folder and process."""
        path = self.folder / "blocked"
        until(lambda: path.exists() and path.read_text().endswith("\n"), "the stage")
        process, folder = path.read_text().split()
        return Path(folder), int(process)

    def release(self) -> None:
        (self.folder / "hold").unlink()
