"""What a Dask worker runs: one stage, in the clone it was started in.

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

from flows.jobs import CODE, Job, Made, place
from flows.processes import Processes
from flows.run import LOCK, Run, Tell
from flows.sides import Site
from tasks.artifacts.errors import RefusedError

LOOK = 1  # seconds between two looks at whether the stage is still wanted
BUSY = 0.2  # seconds between two looks at a clone that another run is in
GATE = LOCK.with_suffix(".gate")

_one = threading.Lock()  # DVC is not made for threads


def work(job: Job) -> Made:
    """Make a stage here, push what it wrote."""
    here = place()
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
                "start there: dask worker ADDRESS --nthreads 1",
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
        with _one, _among(job.topic, tell):
            site = Site.of(job)
            site.bring(job.stage, job.data)
            run = Run(site, job.timeout)
            with _wanted(run.processes):
                done = run.stage(job.stage, tell)
            made = Made(done.state, f"{done.message} on {here}", done.seconds)
            if done.state != "failed":
                made.entry, made.files = site.made(job.stage)
            return made
    except RefusedError as error:
        return Made("failed", f"refused on {here}: {error}")


@contextmanager
def _wanted(processes: Processes) -> Iterator[None]:
    """End the stage's command when the run that asked for it has gone."""
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
def _among(run: str, tell: Tell) -> Iterator[None]:
    """Be in this folder with workers of the same run only.

    Args:
        run: Its name.
        tell: Called with a line if another run is here.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    told = False
    with LOCK.open("a+") as file:
        while not _entered(run, file):
            if not told:
                tell("waiting: another run is in this folder")
            told = True
            time.sleep(BUSY)
        yield


def _entered(run: str, file: IO[str]) -> bool:
    """Whether the lock could be taken for a run; its file names the run."""
    with GATE.open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)  # one at a time comes or looks
        if _flock(file, fcntl.LOCK_EX):
            file.truncate(0)
            file.write(run)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_SH)  # somebody else may slip in before
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
