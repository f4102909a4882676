"""A clone of this repository with the smallest study in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.artifacts.compiled import share_compiled

ROOT = Path(__file__).parents[2]
# read by every Python process of the project when it starts
WATCH = """
import atexit, json, os, sys
from pathlib import Path

def write():
    argv = sys.orig_argv  # a warm server's child sets it
    command = argv[argv.index("-m") + 1 :] if "-m" in argv else [""]
    if not command[0].startswith("tasks."):
        return
    root = Path(os.environ["OFFCUT_WATCHED"])
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    paths = [Path(file) for file in files if file]
    loaded = [p.relative_to(root).as_posix() for p in paths if p.is_relative_to(root)]
    name = f"{os.getpid()}-{os.urandom(4).hex()}.json"
    text = json.dumps({"command": " ".join(command), "loaded": loaded})
    Path(os.environ["OFFCUT_LOADED"], name).write_text(text)

atexit.register(write)
"""


class Project:
    """A clone with the smoke study composed.

    Args:
        folder: Where; made anew unless it is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        python = Path(sys.executable).parent
        self.env = os.environ | {
            "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{folder}{os.pathsep}{folder.parent / 'watch'}",
            "OFFCUT_WATCHED": str(folder),
            "OFFCUT_LOADED": str(folder.parent / "watch"),
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "NO_COLOR": "1",
        }
        self.env.pop("GIT_DIR", None)
        if folder.exists():
            return
        watch = folder.parent / "watch"
        watch.mkdir(parents=True, exist_ok=True)
        (watch / "sitecustomize.py").write_text(WATCH)
        self.fill()
        share_compiled(ROOT, folder)  # as a worktree of this clone has it
        self.run("git", "init", "-q")
        self.run("git", "config", "user.name", "e2e")
        self.run("git", "config", "user.email", "e2e@example.org")
        self.run("python", "-m", "tasks.artifacts.compose", "study=smoke")
        self.run("python", "-m", "tasks.artifacts.environment")
        self.commit()

    def fill(self) -> None:
        """Copy what git tracks, or would."""
        self.copy()

    def copy(self, *paths: str) -> None:
        """Copy files and folders of this repository; none are all of them."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard", "--", *paths],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():  # not one deleted and not committed yet
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)

    def run(self, *command: str, code: int = 0, given: str = "") -> str:
        """Run a command that must end with ``code``; what it printed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            check=False,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def dvc(self, *arguments: str, code: int = 0) -> str:
        return self.run("python", "-m", "dvc", *arguments, code=code)

    def repro(self, *arguments: str) -> set[str]:
        """``dvc repro``; the stages that ran, or would."""
        said = self.dvc("repro", *arguments)
        return set(re.findall(r"^Running stage '(.+)':$", said, re.MULTILINE))

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", "state")

    def restore(self) -> None:
        """Back to the last commit; outputs come from the cache."""
        self.run("git", "checkout", "-q", ".")
        self.dvc("checkout", "-q", "--force")

    def lock(self) -> bytes:
        return (self.folder / "dvc.lock").read_bytes()

    def data(self, *parts: str) -> Path:
        return self.folder.joinpath("data", *parts)

    def loaded(self) -> dict[str, set[str]]:
        """Files of tasks/ that each command had loaded when it ended."""
        files: dict[str, set[str]] = {}
        for path in (self.folder.parent / "watch").glob("*.json"):
            said = json.loads(path.read_text())
            own = {file for file in said["loaded"] if file.startswith("tasks/")}
            files.setdefault(said["command"], set()).update(own)
        return files

    def leftovers(self) -> list[str]:
        """Temporary files and folders that a run should have cleared away."""
        found = [p for p in self.data().rglob("*") if p.name != ".gitignore"]
        return [p.name for p in found if p.name.startswith(".") or p.suffix == ".tmp"]
