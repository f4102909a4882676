"""With the warm server, without it and however often killed, a study is the same."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.project import Project
from tests.warm.toy import LINUX, is_alive, servers, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not LINUX, reason="elsewhere stages start cold"),
]
KINDS = ("server", "child", "client", "door")


def parent(process: int) -> int:
    text = Path(f"/proc/{process}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])


def processes(folder: Path, door: int) -> dict[str, list[int]]:
    """Who works on a project, by kind."""
    kinds: dict[str, list[int]] = {kind: [] for kind in KINDS}
    kinds["door"].append(door)
    of_server = servers(folder)  # and of its children, which have its command line
    for entry in Path("/proc").glob("[0-9]*"):
        process = int(entry.name)
        with suppress(OSError):  # it has just ended
            if process in of_server:
                is_child = parent(process) in of_server
                kinds["child" if is_child else "server"].append(process)
                continue
            line = (entry / "cmdline").read_bytes()
            if b"\0-m\0tasks." in line and (entry / "cwd").samefile(folder):
                kinds["client"].append(process)
    return kinds


def test_a_cold_run_writes_the_same(smoke: Path, tmp_path: Path):
    project = Project(tmp_path / "clone")
    project.env["OFFCUT_WARM"] = "0"
    assert project.repro()
    assert not project.data("../.offcut/warm").exists()
    assert project.lock() == (smoke / "dvc.lock").read_bytes()


@pytest.mark.parametrize("door", ["dvc repro", "flows --local --workers=2"])
def test_a_run_killed_ten_times_writes_the_same(door: str, smoke: Path, tmp_path: Path):
    project, chance, killed = Project(tmp_path / "clone"), random.Random(0), 0  # noqa: S311
    while killed < 10:
        project.run("python", "-m", "tasks.artifacts.mend", "--keep")
        running = subprocess.Popen(
            [sys.executable, "-m", *door.split()],
            cwd=project.folder,
            env=project.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        kind, victims = chance.choice(KINDS), []
        while not victims and running.poll() is None:
            time.sleep(chance.random() * 3)
            victims = processes(project.folder, running.pid)[kind]
        if running.poll() is not None:
            break  # the study is done
        others = processes(project.folder, running.pid)
        os.kill(victims[0], signal.SIGKILL)
        killed += 1
        running.wait()
        for process in others["client"] + others["child"]:
            wait_until(lambda process=process: not is_alive(process))
    project.run("python", "-m", "tasks.artifacts.mend", "--keep")
    project.run("python", "-m", *door.split())
    assert killed
    assert project.lock() == (smoke / "dvc.lock").read_bytes()
