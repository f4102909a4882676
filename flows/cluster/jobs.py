"""What goes to a worker and what comes back: plain values."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.engine.schedule import State
from tasks.artifacts.errors import RefusedError
from tasks.code import Closure, closure, digest

# the version of flows/, and of what it imports of tasks/, in this process
CODE = digest(closure(Path(__file__).parents[1]))
Files = list[dict[str, str]]  # md5 and relpath of each, as in DVC's cache


@dataclass
class Data:
    """A dependency that stages write.

    Attributes:
        md5: Its hash, as in dvc.lock.
        files: If it is a folder, what is in it.
    """

    md5: str
    files: Files | None = None


@dataclass
class Job:
    """A stage as the driver knows it.

    Attributes:
        stage: Its name.
        form: Its block of dvc.yaml, resolved.
        code: Hashes of the dependencies that no stage puts into the cache.
        sources: SHA-256 of the files under tasks/ that the stage's methods are made of.
        params: Values by file.
        data: Dependencies that stages put into the cache.
        outs: Paths it writes.
        rev: The commit checked out.
        home: Machine and folder the run started in.
        edited: Files that are not as in that commit, and whether git would commit them.
        force: Whether to run it in any case.
        timeout: Seconds it may take, or None.
        topic: Where to send its output, line by line; names the run.
        flows: Version of flows/ that the driver runs.
    """

    stage: str
    form: dict[str, Any]
    code: dict[str, str]
    sources: Closure
    params: dict[str, Any]
    data: dict[str, Data]
    outs: list[str]
    rev: str
    home: str
    edited: dict[str, bool]
    force: bool = False
    timeout: float | None = None
    topic: str = ""
    flows: str = CODE


@dataclass
class Made:
    """What became of a job.

    Attributes:
        state: As of `flows.engine.schedule.Outcome`, like the next two.
        message: See there.
        seconds: See there.
        entry: Of dvc.lock, if the stage ended well.
        files: Of the outputs that are folders.
    """

    state: State
    message: str
    seconds: float = 0.0
    entry: dict[str, Any] | None = None
    files: dict[str, Files] = field(default_factory=dict)


def place() -> str:
    """This machine and folder."""
    return f"{socket.gethostname()}:{Path.cwd()}"


def unlike(job: Job, made: Made) -> None:
    """Refuse an entry that is not of the job.

    Raises:
        RefusedError: Naming what differs.
    """
    entry = made.entry or {}
    wanted = {
        "cmd": job.form["cmd"],
        "deps": job.code | {path: data.md5 for path, data in job.data.items()},
        "params": job.params,
        "outs": job.outs,
    }
    got = {
        "cmd": entry.get("cmd"),
        "deps": {d["path"]: d.get("md5") for d in entry.get("deps", [])},
        "params": entry.get("params", {}),
        "outs": [out["path"] for out in entry.get("outs", []) if "md5" in out],
    }
    differ = [key for key, value in wanted.items() if got[key] != value]
    if differ:
        raise RefusedError(
            job.stage,
            "entry of dvc.lock",
            f"another {' and '.join(differ)} than was asked for",
            "the same",
            "look at the worker's log; were its files edited meanwhile?",
        )
