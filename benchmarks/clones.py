"""A clone of this repository that runs are killed in, and what they must leave there.

Its study is the smallest on one policy. As `light` its stages keep their names,
dependencies and outputs, and all but the first write a few small files with a moment
between them, in the way and with the end of every stage of the project.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tasks.artifacts.files import sha256

ROOT = Path(__file__).parents[1]
STUDY = (
    "study=smoke",
    "study.compressors=[float32]",
    "study.variants=[float32]",
    "study.chains.first=[]",
    "study.chains.then=[]",
)
# of this moment and machine, or not hashed by anybody
NOT_COMPARED = {"latency.json", "index.html"}
GONE = 30  # seconds after which a process that still runs counts as an orphan
END = 900  # seconds a run may take
GIT = ("git", "-c", "user.name=doors", "-c", "user.email=doors@example.org")
FLOW = ("python", "-m", "flows", "--local")
LIGHT = """
import json, sys, time
from pathlib import Path
from tasks.artifacts.files import whole_folder, write_json
from tasks.artifacts.stage import run_stage

def main():
    for path in map(Path, sys.argv[1:]):
        if path.suffix:
            write_json(path, {"made_by": str(path)})
            (path.parent / "index.html").write_text("no page")
            continue
        with whole_folder(path) as folder:
            for name in ("world", "a", "b", "c"):
                time.sleep(0.2)
                (folder / f"{name}.json").write_text(json.dumps({"made_by": str(path)}))

sys.exit(run_stage(main))
"""


class Place:
    """A clone of this repository with the study composed.

    Args:
        folder: Where; made anew.
        light: Whether stages are light ones.
        remote: A folder that clones share, or None.
    """

    def __init__(
        self, folder: Path, *, light: bool, remote: Path | None = None
    ) -> None:
        self.study = "light" if light else "smoke"
        self.folder, self.scratch = folder, folder.parent / f"{folder.name}-tmp"
        self.scratch.mkdir(parents=True)
        self.env = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder),
            "TMPDIR": str(self.scratch),
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "SHELL": "/bin/sh",
            "NO_COLOR": "1",
        }
        subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
        self.run("python", "-m", "tasks.artifacts.compose", *STUDY)
        self.run("python", "-m", "tasks.artifacts.environment")
        if light:
            (folder / "light.py").write_text(LIGHT)
            lighten(folder / "dvc.yaml")
            self.run("git", "add", "light.py")
        if remote:
            self.run("python", "-m", "dvc", "remote", "add", "-d", "store", str(remote))
        self.run(*GIT, "commit", "-qam", "the study")
        self.start_lock = self.lock.read_bytes()
        began = time.monotonic()
        self.run(*FLOW)
        self.seconds = time.monotonic() - began
        self.expected, self.usual = self.state(), self.strangers()
        entries = yaml.safe_load(self.start_lock)["stages"]
        after = yaml.safe_load(self.lock.read_text("utf-8"))["stages"]
        self.new = {name: e for name, e in after.items() if e != entries.get(name)}

    @property
    def lock(self) -> Path:
        """Its dvc.lock."""
        return self.folder / "dvc.lock"

    def forget(self) -> None:
        """Go back to the start: no output, no cache, nothing kept."""
        self.run("git", "clean", "-qfdx", "-e", "environment.json", "-e", ".dvc")
        for folder in (".dvc/cache", ".dvc/tmp"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        self.run("git", "checkout", "-q", ".")

    def run(self, *command: str) -> str:
        """Run a command that must end well; what it printed."""
        done = self.start(*command)
        said = done.communicate(timeout=END)[0]
        if done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}: {said}")
        return said

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command in the background."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def state(self) -> dict[str, str]:
        """Hashes of what a run leaves, and what git sees of it."""
        files = [p for p in (self.folder / "data").rglob("*") if p.is_file()]
        return {
            "git": self.run("git", "status", "--porcelain"),
            "dvc.lock": sha256(self.lock),
        } | {
            path.relative_to(self.folder).as_posix(): sha256(path)
            for path in sorted(files)
            if path.name not in NOT_COMPARED
        }

    def check(self) -> None:
        """Check what a run that ended well left.

        Raises:
            AssertionError: If it is not what an undisturbed one leaves.
        """
        state = self.state()
        wrong = {k for k, _ in state.items() ^ self.expected.items()}
        places = [self.folder / name for name in ("data", "tasks", "params", "flows")]
        left = [str(p) for place in places for p in place.rglob("*.tmp")]
        left += [str(p) for p in self.folder.glob("*.tmp")]
        left += sorted(self.strangers() - self.usual)
        if wrong or left or self.processes():
            raise AssertionError(
                f"{sorted(wrong)} differ, {left} and {self.processes()} left"
            )

    def strangers(self) -> set[str]:
        """What lies in the folder for temporary files; libraries keep caches there."""
        return {path.name for path in self.scratch.iterdir()}

    def recorded(self) -> int:
        """How many of the study's stages dvc.lock has."""
        try:
            entries = yaml.safe_load(self.lock.read_text("utf-8"))["stages"]
        except (yaml.YAMLError, TypeError, KeyError, FileNotFoundError):
            return -1
        return sum(entries.get(name) == entry for name, entry in self.new.items())

    def processes(self) -> list[int]:
        """Processes that work in the clone."""
        return working_in(self.folder)

    def again(self, command: Sequence[str]) -> str:
        """Run to the end, after what refusals say where there are some.

        Returns:
            What had to be run before.
        """
        try:
            self.run(*command)
        except AssertionError as error:
            mended = "python -m tasks.artifacts.mend"
            try:
                self.run(*mended.split())
            except AssertionError as refusal:
                if not (
                    found := re.search(r"run: (git checkout [^\n]*)", str(refusal))
                ):
                    raise refusal from error
                self.run(*found[1].split())
                mended = found[1]
            self.run(*command)
            return mended
        return ""


def lighten(path: Path) -> None:
    """Have the stages of a dvc.yaml write small files, but for the first."""
    graph = yaml.safe_load(path.read_text("utf-8"))
    for name, stage in graph["stages"].items():
        body: dict[str, Any] = stage.get("do", stage)
        entries = [*body.get("metrics", ()), *body.get("outs", ())]
        outs = [out if isinstance(out, str) else next(iter(out)) for out in entries]
        if name != "code":
            body["cmd"] = f"python light.py {' '.join(outs)}"
    path.write_text(yaml.safe_dump(graph, sort_keys=False, width=1000))


def working_in(folder: Path) -> list[int]:
    """Processes whose current folder lies in a folder."""
    numbers = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.readlink().is_relative_to(folder):
                numbers.append(int(path.parent.name))
        except OSError:  # gone, or somebody else's
            continue
    return numbers


def all_gone(folder: Path) -> float:
    """Wait until no process works in a folder; how long that took, in seconds.

    Raises:
        AssertionError: If there are some after half a minute.
    """
    began = time.monotonic()
    while left := working_in(folder):
        if time.monotonic() - began > GONE:
            raise AssertionError(f"orphans: {left}")
        time.sleep(0.05)
    return round(time.monotonic() - began, 1)
