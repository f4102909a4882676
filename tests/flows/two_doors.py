"""A small project whose stages end as the project's own, for two commands at once."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.flows.dasks import until
from tests.flows.small import DATASET, Small

PATIENCE = (
    20  # seconds that a second command may do nothing before it counts as waiting
)
HELD = f"data/evaluations/{DATASET}"
LIGHT = """
import os, sys, time
from pathlib import Path
from tasks.artifacts.files import whole_folder, write_json
from tasks.artifacts.stage import run_stage

def main():
    hold, *outs = map(Path, sys.argv[1:])
    for out in outs:
        if out.suffix:
            write_json(out, {})
            continue
        with whole_folder(out) as folder:
            write_json(folder / "world.json", {"made_by": [str(out)]})
            if "evaluations" in out.parts:
                hold.with_name(f"working-{os.getpid()}").touch()
                while hold.exists():
                    time.sleep(0.05)
            write_json(folder / "more.json", {"of": str(out)})

sys.exit(run_stage(main))
"""
LOCAL = ("python", "-m", "flows", "--local")
DOORS: dict[str, tuple[str, ...]] = {
    "dvc repro": ("python", "-m", "dvc", "repro"),
    "make run": ("make", "-o", "setup", "PY=python", "run"),
    "flow": LOCAL,
    "make study": (
        "make",
        "-o",
        "setup",
        "PY=python",
        "LOCAL=1",
        "NAME=smoke",
        "study",
    ),
    "stage by hand": ("python", "light.py", "../hold", HELD),
    "flow --force": (*LOCAL, "--force"),
    "dvc checkout": ("python", "-m", "dvc", "checkout"),
}


class Doors(Small):
    """The project; while ``hold`` beside it is there, stage evaluate waits."""

    def fill(self) -> None:
        """See `Project`."""
        super().fill()
        (self.folder / "light.py").write_text(LIGHT)
        graph = yaml.safe_load((self.folder / "dvc.yaml").read_text())
        for stage in graph["stages"].values():
            body: dict[str, Any] = stage.get("do", stage)
            metrics = [next(iter(entry)) for entry in body.get("metrics", ())]
            outs = " ".join([*body.get("outs", ()), *metrics])
            body["cmd"] = f"python light.py {self.hold} {outs}"
        (self.folder / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
        page = self.data("report/index.html")  # which `make run` would render
        page.parent.mkdir(parents=True)
        page.write_text("no page")

    def start(self, door: str) -> "subprocess.Popen[str]":
        """Start a command in the background."""
        return subprocess.Popen(
            DOORS[door],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def forget(self) -> None:
        """Have stage evaluate run again: what it made is nowhere any more."""
        shutil.rmtree(self.folder / HELD, ignore_errors=True)
        shutil.rmtree(self.folder / ".dvc/cache", ignore_errors=True)

    def working(self) -> set[str]:
        """Marks of processes that have been in the stage that waits."""
        return {path.name for path in self.folder.parent.glob("working-*")}


@dataclass(frozen=True)
class Meeting:
    """What two commands did.

    Attributes:
        codes: Their exit codes.
        said: What each printed.
        waited: Whether the second went on only when the first was let go.
    """

    codes: tuple[int, int]
    said: tuple[str, str]
    waited: bool


def meet(project: Doors, first: str, second: str) -> Meeting:
    """Start a command, a second while the first is in its stage, and let both end.

    Args:
        project: Where; its stages have to be run.
        first: A door of `DOORS` that runs the stage.
        second: Another one, or the same.
    """
    project.hold.touch()
    before = project.working()
    started = [project.start(first)]
    until(lambda: project.working() - before, first)
    mine = project.working()
    started.append(project.start(second))
    began = time.monotonic()
    while started[1].poll() is None and project.working() == mine:
        if time.monotonic() - began > PATIENCE:
            break
        time.sleep(0.05)
    waited = started[1].poll() is None and project.working() == mine
    project.hold.unlink()
    said = [one.communicate(timeout=240)[0] for one in started]
    codes = (started[0].returncode, started[1].returncode)
    return Meeting(codes, (said[0], said[1]), waited)


def temporary(folder: Path) -> list[str]:
    """Temporary files and folders below a folder."""
    return [str(path) for path in folder.rglob("*.tmp")]
