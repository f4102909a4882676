"""The two doors to the graph: ``dvc repro`` and ``python -m flows``.

Trivial stages show what the doors themselves cost: each stage copies a file of a few
bytes, the first ten stand on one file, every other on the one ten before it. The
default study shows what running independent stages at once gains; it is run in clones
of HEAD with empty caches, dvc first. A flow's seconds are of the whole command, with
the imports; trivial stages and the unchanged study use a server that already runs, the
study's first run starts and ends one of its own.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from flows.server.endpoint import bound
from flows.server.settings import settings
from flows.server.start import started
from tasks.artifacts.files import sha256

ROOT = Path(__file__).parents[1]
STAGES = (20, 80, 300)
TIMES = 3  # of each, except dvc repro, which takes minutes
DVC = ("-m", "dvc", "repro", "-q")
DOORS = {
    "dvc repro": DVC,
    "threads": ("-m", "flows", "--local"),
    "flow": ("-m", "flows"),
}


def run(
    folder: Path,
    env: dict[str, str],
    *command: str,
    python: str | Path = sys.executable,
) -> dict[str, float]:
    """Run a command of Python.

    Args:
        folder: Where.
        env: Its environment.
        *command: Arguments of the interpreter.
        python: The interpreter.

    Returns:
        ``wall`` and ``cpu`` seconds, its children's included.
    """
    begun, before = time.monotonic(), os.times()
    subprocess.run(
        [python, *command],
        cwd=folder,
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return {"wall": round(time.monotonic() - begun, 2), "cpu": round(cpu, 2)}


def trivial(folder: Path, stages: int) -> None:
    """Make a git and DVC repository of trivial stages.

    Args:
        folder: Where; made.
        stages: How many.
    """
    graph = {}
    for n in range(stages):
        dep = f"out/{n - 10}" if n >= 10 else "in"
        command = f"cp {dep} out/{n}"
        graph[f"s{n}"] = {"cmd": command, "deps": [dep], "outs": [f"out/{n}"]}
    (folder / "out").mkdir(parents=True)
    (folder / "in").write_text("x\n")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": graph}, sort_keys=False))
    (folder / ".gitignore").write_text("/out\n/.offcut\n")
    (folder / ".dvcignore").write_text("/.offcut\n")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)


def forget(folder: Path) -> None:
    """Remove what a run of trivial stages left: outputs, cache and dvc.lock."""
    shutil.rmtree(folder / "out")
    (folder / "out").mkdir()
    (folder / "dvc.lock").unlink()
    shutil.rmtree(folder / ".dvc/cache")


def overhead(env: dict[str, str]) -> list[dict[str, Any]]:
    """Measure each door at each number of trivial stages.

    Args:
        env: The environment, with the address of a server.

    Returns:
        A row a number of stages, with the median seconds of each door.

    Raises:
        AssertionError: If the doors leave different files dvc.lock.
    """
    rows = []
    with tempfile.TemporaryDirectory() as top:
        for stages in STAGES:
            folder, locks = Path(top) / str(stages), set()
            trivial(folder, stages)
            row: dict[str, Any] = {"stages": stages}
            for door, command in DOORS.items():
                runs = []
                for _ in range(1 if door == "dvc repro" else TIMES):
                    runs.append(run(folder, env, *command))
                    locks.add(sha256(folder / "dvc.lock"))
                    forget(folder)
                row[door] = {
                    kind: statistics.median(r[kind] for r in runs)
                    for kind in ("wall", "cpu")
                }
            if len(locks) != 1:
                raise AssertionError(f"{stages} stages: the doors' dvc.lock differ")
            rows.append(row)
    return rows


def study(env: dict[str, str]) -> dict[str, Any]:
    """Measure the default study through both doors, from nothing and unchanged.

    Args:
        env: The environment, with the address of a server.

    Raises:
        AssertionError: If the doors leave different files dvc.lock.
    """
    seconds: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as top:
        for door in ("dvc repro", "flow"):
            folder = Path(top) / door.split()[0]
            subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
            here = env | {"PYTHONPATH": str(folder)}
            run(folder, here, "-m", "tasks.artifacts.environment")
            alone = {k: v for k, v in here.items() if k != "PREFECT_API_URL"}
            seconds[door] = run(folder, alone, *DOORS[door])
            seconds[f"{door}, unchanged"] = run(folder, here, *DOORS[door])
            seconds.setdefault("lock", sha256(folder / "dvc.lock"))
            if seconds["lock"] != sha256(folder / "dvc.lock"):
                raise AssertionError("the default study: the doors' dvc.lock differ")
    return seconds


def measure() -> dict[str, Any]:
    """Measure both kinds of graphs; takes 15 minutes."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env.pop("PREFECT_API_URL", None)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        with started(top, bound(0), services=False) as url:
            served = env | settings(top) | {"PREFECT_API_URL": url}
            return {"trivial": overhead(served), "study": study(served)}
