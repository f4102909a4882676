"""Random kills of a flow, its server and its workers; the same dvc.lock at the end.

The smallest study runs from nothing, again and again. At a random moment one process
gets SIGKILL: the flow itself, the Prefect server it started, or a Dask worker (two
work in clones of their own, a killed one is replaced). After each, dvc.lock holds no
entry that differs from an undisturbed run's. A run that ends well leaves the same bytes
in dvc.lock and no temporary file, and all starts from nothing again; otherwise the next
run goes on from what is there.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.project import Project
from tests.flows.dasks import Dasks, dasks, until

VICTIMS = {"flow": 8, "server": 4, "worker": 8}
OUTPUTS = [  # what a run writes
    *(f"data/{stage}" for stage in ("datasets", "policies", "compressed", "onnx")),
    *(f"data/{stage}" for stage in ("evaluations", "profiles", "report", "code")),
    *(".dvc/cache", ".offcut/checkpoints"),
]
WAIT = 300  # seconds a run may take to end after a kill
FLOW = [sys.executable, "-m", "flows"]


def below(pid: int) -> list[int]:
    """Numbers of the processes another one started, and of those they started."""
    children = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            children += [int(child), *below(int(child))]
    return children


def server_of(flow: int) -> int | None:
    """The number of the Prefect server that a flow started, if it has one yet."""
    for pid in below(flow):
        path = Path(f"/proc/{pid}/cmdline")
        if path.exists() and "flows.server.application" in path.read_text():
            return pid
    return None


class Field:
    """The driver's clone, two workers' clones and the remote between them.

    Args:
        top: The folder they are made in.
    """

    def __init__(self, top: Path) -> None:
        self.top, self.driver = top, Project(top / "driver")
        self.driver.dvc("remote", "add", "-d", "store", str(top / "store"))
        self.driver.commit()
        for name in "ab":
            self.driver.run("git", "clone", "-q", ".", str(top / name))
            shutil.copy(self.driver.folder / "environment.json", top / name)
        self.path = self.driver.folder / "dvc.lock"
        # that of the default study, where git has one
        self.start_lock = self.path.read_bytes() if self.path.exists() else b""
        self.driver.run(*FLOW, "--local")
        self.lock = self.driver.lock()
        self.entries = yaml.safe_load(self.lock)["stages"]
        self.before = (yaml.safe_load(self.start_lock) or {}).get("stages", {})
        self.new = {n for n, e in self.entries.items() if e != self.before.get(n)}
        self.forget()

    def forget(self) -> None:
        """Go back to the start: no output, no cache, no checkpoint."""
        shutil.rmtree(self.top / "store", ignore_errors=True)
        for folder in (self.driver.folder, self.top / "a", self.top / "b"):
            for name in OUTPUTS:
                shutil.rmtree(folder / name, ignore_errors=True)
        self.path.unlink(missing_ok=True)
        if self.start_lock:
            self.path.write_bytes(self.start_lock)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a run in the background.

        Args:
            *arguments: Of ``python -m flows``.
        """
        return subprocess.Popen(
            [*FLOW, *arguments],
            cwd=self.driver.folder,
            env=self.driver.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def check_lock(self) -> int:
        """Check dvc.lock after a kill.

        Returns:
            How many stages of the run it records.

        Raises:
            AssertionError: If an entry differs from an undisturbed run's.
        """
        text = self.path.read_bytes() if self.path.exists() else b""
        entries = (yaml.safe_load(text) or {}).get("stages", {})
        done = {n for n in entries if entries[n] == self.entries.get(n)}
        wrong = [n for n in entries.keys() - done if entries[n] != self.before.get(n)]
        if wrong:
            raise AssertionError(f"dvc.lock: {wrong} differ")
        return len(self.new & done)

    def check_end(self) -> None:
        """Check what a run that ended well left.

        Raises:
            AssertionError: If it left another dvc.lock or a temporary file.
        """
        if self.driver.lock() != self.lock or self.driver.leftovers():
            raise AssertionError(f"dvc.lock differs, or: {self.driver.leftovers()}")
        if "up to date" not in self.driver.dvc("status"):
            raise AssertionError("dvc status is not clean")


def kill(victim: str, field: Field, cluster: Dasks, moment: float) -> int | None:
    """Start a run, kill one of its processes and wait for its end.

    Args:
        victim: ``flow``, ``server`` or ``worker``.
        field: Where it runs.
        cluster: The workers it uses where one of them is the victim.
        moment: Seconds after which the victim gets SIGKILL.

    Returns:
        The run's exit code, or None if it ended before the moment came.
    """
    on = ("--local", "--dask", cluster.address) if victim == "worker" else ()
    run = field.start(*on)
    if victim == "server":
        until(lambda: server_of(run.pid), "the server")
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        if victim == "worker":
            child = cluster.workers.pop(0)
            clone = Path(f"/proc/{child.pid}/cwd").readlink()
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            cluster.worker(clone)
        else:
            pid = run.pid if victim == "flow" else server_of(run.pid)
            os.kill(pid or run.pid, signal.SIGKILL)
        return run.wait(WAIT)
    return None


def measure(seed: int = 0) -> dict[str, Any]:
    """Kill each victim as often as it should be; takes ten minutes.

    Args:
        seed: Of order and moments.

    Returns:
        The kills in order, how many there were of each, how often a run ended well.
    """
    chance = random.Random(seed)  # noqa: S311
    victims = [victim for victim, count in VICTIMS.items() for _ in range(count)]
    chance.shuffle(victims)
    kills, whole = [], 0
    with tempfile.TemporaryDirectory() as folder:
        field = Field(Path(folder))
        with dasks(field.top / "logs") as cluster:
            for name in "ab":
                cluster.worker(field.top / name)
            while victims:
                moment = round(chance.uniform(2, 20), 1)
                before = time.monotonic()
                code = kill(victims[0], field, cluster, moment)
                if code is not None:
                    kills.append(
                        {
                            "victim": victims.pop(0),
                            "after_seconds": moment,
                            "ended_with": code,
                            "ended_after_seconds": round(time.monotonic() - before, 1),
                            "stages_recorded": field.check_lock(),
                        }
                    )
                if not code:
                    field.check_end()
                    whole += 1
                    field.forget()
        field.driver.run(*FLOW, "--local")
        field.check_end()
    return {
        "seed": seed,
        "stages": len(field.new),
        "kills": kills,
        "by_victim": dict(Counter(k["victim"] for k in kills)),
        "runs_that_ended_well": whole,
        "same_lock": True,
    }
