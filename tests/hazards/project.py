"""The prepared project, and a case tried on a copy of it."""

import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.stage import run_stage
from tests.hazards.case import CHECK, GRAPH, STAGES, Case, Door, nothing

ROOT = Path(__file__).parents[2]
SECONDS = 30  # of a processor a case may take; most take a tenth of one
WAIT = 600  # seconds by the clock, of which others may take most
MEMORY = 16 * 2**30  # bytes of addresses; most of them are libraries
NOBODY = 65534
# imported once, so that each case does not pay for it
MODULES = (
    *("minari", "dvc.repo", "hydra", "onnxruntime", "pyarrow.parquet", "pandas"),
    *("torch._inductor", "tasks.report.html", "tasks.code.__main__", "tasks.worlds"),
    *("flows.placement", "flows.__main__", "flows.study"),
    *(f"tasks.{door.name}.__main__" for door in STAGES),
)
# the smallest study, with one variant
CHANGES: dict[str, Any] = {
    "compressors": ["float32"],
    "chains": {"first": [], "then": []},
    "variants": ["float32"],
    "updates": 20,
}
OWN_STATE = (".dvc/tmp", ".offcut")  # what DVC and the flows write for themselves


@dataclass(frozen=True)
class Ending:
    """How a case ended.

    Attributes:
        code: The exit code; negative if a signal ended it.
        said: What stood on stderr.
        touched: Files that were made, changed or removed.
    """

    code: int
    said: str
    touched: list[str]

    def wrong(self, case: Case) -> str:
        """What does not hold, in words; empty where all does."""
        lines = self.said.strip().splitlines()
        if case.passes:
            return "" if self.code == 0 else f"exit {self.code}: {lines[-1:]}"
        if self.code != 1 or "Traceback" in self.said:
            return f"exit {self.code}: {lines[-1:]}"
        refusals = [line for line in lines if line.startswith("refused: ")]
        # a disk fails in the middle of the work, after lines of progress
        if len(refusals) != (len(lines) if case.kind != "disks" else 1):
            return f"{len(lines)} lines: {lines[:3]}"
        if len(refusals) != 1 or refusals != lines[-1:]:
            return f"{len(refusals)} refusals: {lines[-3:]}"
        if "; " not in lines[-1]:
            return f"no mend: {lines}"
        return f"touched {self.touched}" if self.touched else ""


def prepare(folder: Path) -> Path:
    """Run the smallest study in a folder, through all stages.

    Args:
        folder: Does not exist yet.

    Returns:
        The folder.
    """
    warm()
    params = yaml.safe_load(composed(["study=smoke"], ROOT / "params"))
    params["study"] |= CHANGES
    begin(folder, params)
    for door in STAGES:
        knock(door, folder)
    _run(
        folder,
        "dvc commit -q -f",
        "git add dvc.yaml dvc.lock params.yaml .dvcignore",
        "git -c user.name=x -c user.email=x@example.org commit -q -m all",
    )
    knock(GRAPH, folder)
    return folder


def begin(folder: Path, params: Any) -> None:
    """A project with the parameters of a study, in which the first stage has run.

    Args:
        folder: Does not exist yet.
        params: Composed.
    """
    (folder / "data").mkdir(parents=True)
    behaviors = folder / "data/behaviors"
    for world in {block["world"]["name"] for block in params["dataset"].values()}:
        if (ROOT / "data/behaviors" / world).exists():
            shutil.copytree(ROOT / "data/behaviors" / world, behaviors / world)
    for name in ("params", "tasks", "offcut"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    for place in ("data/gates/open", "data/estimates", "data/qdc", "data/weights"):
        (folder / place).mkdir(parents=True)
    text = yaml.safe_dump(params, sort_keys=False)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    _run(folder, "git init -q --template=", "dvc init -q")
    environment = "tasks.artifacts.environment"
    describe = Door("environment", lambda: importlib.import_module(environment).main())
    for door in (describe, CHECK):
        knock(door, folder)


def copied(prepared: Path, folder: Path) -> None:
    """Copy a prepared project."""
    shutil.copytree(prepared, folder, symlinks=True)


def _run(folder: Path, *lines: str) -> None:
    """Run commands in a folder."""
    for line in lines:
        words = line.split()
        python = [sys.executable, "-m"] if words[0] == "dvc" else []
        subprocess.run([*python, *words], cwd=folder, check=True)


def knock(door: Door, folder: Path) -> None:
    """Enter a door of a project that nothing is wrong with."""
    case = Case("prepared", "nothing", nothing, door, passes=True)
    if wrong := attempt(case, folder).wrong(case):
        raise RuntimeError(f"{case}: {wrong}")


def warm() -> None:
    """Do once what every case would do again: imports, and following them."""
    for name in MODULES:
        importlib.import_module(name)
    code = importlib.import_module("tasks.code")
    for room in code.ROOMS:
        for method in code.methods(room):
            code.of_method(room, method)


def attempt(case: Case, folder: Path) -> Ending:
    """Spoil a project and knock at the door, in a process of its own.

    Args:
        case: What is tried.
        folder: The project; it is spoilt.
    """
    listen, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listen)
        code = 70
        try:
            ending = _enter(case, folder)
            with os.fdopen(say, "w") as pipe:
                json.dump(ending, pipe)
            code = 0
        finally:
            os._exit(code)
    os.close(say)
    with os.fdopen(listen) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if not text:
        return Ending(os.waitstatus_to_exitcode(status) or 71, "killed", [])
    return Ending(**json.loads(text))


def tried(case: Case, prepared: Path, place: Path) -> str:
    """What does not hold of a case, tried on a copy; empty where all does.

    Args:
        case: What is tried.
        prepared: The project; not changed.
        place: An existing folder for the copy, which is removed again.
    """
    copy = Path(tempfile.mkdtemp(dir=place)) / "project"
    try:
        shutil.copytree(prepared, copy, symlinks=True)
        return attempt(case, copy).wrong(case)
    finally:
        shutil.rmtree(copy.parent, ignore_errors=True)


def _enter(case: Case, folder: Path) -> dict[str, Any]:
    """In the child: spoil, look, knock, look again."""
    os.chdir(folder)
    warnings.simplefilter("ignore")
    os.environ.pop("DVC_STAGE", None)
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        sys.stdout = os.fdopen(os.dup(1), "w", errors="backslashreplace")
        sys.stderr = os.fdopen(os.dup(2), "w", errors="backslashreplace")
        try:
            case.spoil()
            before = _seen(folder)
            if case.loses_rights and os.getuid() == 0:
                os.setuid(NOBODY)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(WAIT)
            code = _code(case.door.enter)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        except Exception:  # the harness's own, told like any other
            traceback.print_exc()
            code, before = 72, _seen(folder)
        sys.stderr.flush()
        errors.seek(0)
        said = errors.read()
    after = _seen(folder)
    changed = sorted(k for k in before | after if before.get(k) != after.get(k))
    return {"code": code, "said": said[-20_000:], "touched": changed}


def _code(enter: Callable[[], None]) -> int:
    """The exit code that the interpreter would end with."""
    try:
        return run_stage(enter)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    except BaseException:
        traceback.print_exc()
        return 70


def _seen(folder: Path) -> dict[str, tuple[int, ...]]:
    """Every file and folder, with what changes when it does."""
    seen = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name.startswith(OWN_STATE) or name.startswith(".git/"):
            continue
        about = path.lstat()
        size = 0 if path.is_dir() else about.st_size
        stamp = 0 if path.is_dir() else about.st_mtime_ns
        seen[name] = (about.st_mode, size, stamp)
    return seen
