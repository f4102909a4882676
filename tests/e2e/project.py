"""A clone of this repository with the smallest study in it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
            "PYTHONPATH": str(folder),
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "NO_COLOR": "1",
        }
        self.env.pop("GIT_DIR", None)
        if folder.exists():
            return
        self.fill()
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

    def leftovers(self) -> list[str]:
        """Temporary files and folders that a run should have cleared away."""
        found = self.data().rglob("*")
        return [p.name for p in found if p.name.startswith(".") or p.suffix == ".tmp"]
