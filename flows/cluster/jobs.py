"""What a driver sends to a worker and what comes back: plain values."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.engine.schedule import State
from tasks.artifacts.errors import RefusedError
from tasks.code import Closure, closure, digest

# the version of flows/, and of what it imports of tasks/, in this process
CODE = digest(closure(Path(__file__).parents[1]))
# without these two it listens on every interface, its page even with --no-dashboard
CLOSED = "--host {host} --dashboard-address 127.0.0.1:0"
START_WORKER = f"dask worker {{address}} {CLOSED} --nthreads 1"
START_SCHEDULER = f"dask scheduler {CLOSED}".format(host="127.0.0.1")
Files = list[dict[str, str]]  # md5 and relpath of each, as in DVC's cache


@dataclass
class Data:
    """The content of a dependency that stages write.

    Attributes:
        md5: Its hash, as in dvc.lock.
        files: The files in it if it is a folder, else None.
    """

    md5: str
    files: Files | None = None


@dataclass
class Job:
    """A stage to be made, as the driver knows it.

    Attributes:
        stage: Its name.
        definition: Its block of dvc.yaml, with its templates filled in.
        code: Hashes of the dependencies that no stage puts into the cache.
        sources: SHA-256 of the files under tasks/ that the stage's methods are made of.
        params: Values of parameters, by file.
        data: Dependencies that stages put into the cache, by path.
        outs: Paths it writes.
        rev: The commit checked out.
        home: Machine and folder the run started in.
        edited: Files that are not as in that commit, and whether git would commit them.
        force: Whether to run it in any case.
        timeout: Seconds it may take, or None for no limit.
        topic: Dask's topic for its lines of output; names the run.
        flows: Version of flows/ that the driver runs.
    """

    stage: str
    definition: dict[str, Any]
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
class Result:
    """What became of a job.

    Attributes:
        state: As of `flows.engine.schedule.Outcome`.
        message: Why it is in that state; of a failed one with its log's last lines.
        seconds: Wall time of its command.
        entry: Its entry of dvc.lock, if it ended well.
        files: The files of each output that is a folder, by the output's path.
    """

    state: State
    message: str
    seconds: float = 0.0
    entry: dict[str, Any] | None = None
    files: dict[str, Files] = field(default_factory=dict)


def machine_and_folder() -> str:
    """Where this process runs, as ``HOST:FOLDER``."""
    return f"{socket.gethostname()}:{Path.cwd()}"


def check_result(job: Job, result: Result) -> None:
    """Refuse a result whose entry of dvc.lock does not belong to the job.

    Args:
        job: What was sent.
        result: What came back.

    Raises:
        RefusedError: If they differ in command, dependencies, parameters or outputs.
    """
    entry = result.entry or {}
    expected = {
        "cmd": job.definition["cmd"],
        "deps": job.code | {path: data.md5 for path, data in job.data.items()},
        "params": job.params,
        "outs": job.outs,
    }
    recorded = {
        "cmd": entry.get("cmd"),
        "deps": {d["path"]: d.get("md5") for d in entry.get("deps", [])},
        "params": entry.get("params", {}),
        "outs": [out["path"] for out in entry.get("outs", []) if "md5" in out],
    }
    differ = [key for key, value in expected.items() if recorded[key] != value]
    if differ:
        raise RefusedError(
            job.stage,
            "entry of dvc.lock",
            f"another {' and '.join(differ)} than was asked for",
            "the same",
            "look at the worker's log; were its files edited meanwhile?",
        )
