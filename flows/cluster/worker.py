"""What a Dask worker does: it makes one stage, in the clone it was started in.

Needed there: the project at the driver's revision, its environment and DVC's remote;
neither Prefect nor its server.

Workers of one run may share a clone: DVC's lock guards its files, and no stage clears
what another one of the same graph reads or writes. That holds within a run only, so
another run, on the cluster or by hand, waits.
"""

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from distributed import get_worker

from flows.cluster.jobs import CODE, START_WORKER, Job, Result, machine_and_folder
from flows.cluster.site import Site
from flows.engine.processes import Processes
from flows.engine.run import LOCK, Run, Tell
from tasks.artifacts.errors import RefusedError

LOOK = 1  # seconds between two looks at whether the stage is still wanted
BUSY = 0.2  # seconds between two looks at a clone that another run is in
GATE = LOCK.with_suffix(".gate")  # held while the lock is taken

_dvc = threading.Lock()  # DVC is not made for threads


def work(job: Job) -> Result:
    """Make a stage in the current folder and push what it wrote to the remote.

    Args:
        job: The stage, as the driver of the run knows it.

    Returns:
        What became of it; a refusal is a failed stage.
    """
    here = machine_and_folder()
    worker = get_worker()

    def tell(line: str) -> None:
        worker.log_event(job.topic, {"stage": job.stage, "line": line})

    tell(f"on {here}")
    try:
        if not Path("dvc.yaml").exists():
            raise RefusedError(
                "dvc.yaml",
                "file",
                "nothing",
                "the root of a clone as the worker's folder",
                "start there: " + START_WORKER.format(address="ADDRESS", host="HOST"),
            )
        if job.home == here:
            raise RefusedError(
                "the worker's folder",
                job.stage,
                "the clone that the run was started in",
                "a clone of its own",
                "start it in one: git clone . ../worker",
            )
        if job.flows != CODE:
            raise RefusedError(
                "flows/",
                job.stage,
                "another version, loaded when the worker started",
                f"that of revision {job.rev}",
                f"run here: git fetch && git checkout {job.rev}, "
                "and start the worker again",
            )
        with _dvc, _shared_folder(job.topic, tell):
            site = Site.for_job(job)
            site.bring(job.stage, job.data)
            run = Run(site, job.timeout)
            with _stopped_if_unwanted(run.processes):
                outcome = run.stage(job.stage, tell)
            message = f"{outcome.message} on {here}"
            result = Result(outcome.state, message, outcome.seconds)
            if outcome.state != "failed":
                result.entry, result.files = site.push(job.stage)
            return result
    except RefusedError as error:
        return Result("failed", f"refused on {here}: {error}")


@contextmanager
def _stopped_if_unwanted(processes: Processes) -> Iterator[None]:
    """End a stage's command as soon as the run that asked for it has gone."""
    worker, ended = get_worker(), threading.Event()
    key = worker.get_current_task()

    def look() -> None:
        while not ended.wait(LOOK):
            task = worker.state.tasks.get(key)
            if task is None or task.state in {"cancelled", "released", "forgotten"}:
                processes.stop()
                return

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


@contextmanager
def _shared_folder(run: str, tell: Tell) -> Iterator[None]:
    """Share the current folder with workers of the same run, and with nobody else.

    Args:
        run: The run's name.
        tell: Called with a line if another run is here.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    waiting = False
    with LOCK.open("a+") as file:
        while not _entered(run, file):
            if not waiting:
                tell("waiting: another run is in this folder")
            waiting = True
            time.sleep(BUSY)
        yield


def _entered(run: str, file: IO[str]) -> bool:
    """Whether the folder's lock could be taken for a run, whose name its file holds."""
    with GATE.open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # one process at a time tries
        if _flock(file, fcntl.LOCK_EX):
            file.truncate(0)
            file.write(run)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_SH)  # another run may take it in between
        elif not _flock(file, fcntl.LOCK_SH):
            return False
        file.seek(0)
        if file.read() == run:
            return True
        fcntl.flock(file, fcntl.LOCK_UN)
        return False


def _flock(file: IO[str], how: int) -> bool:
    """Whether a lock could be taken at once."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
