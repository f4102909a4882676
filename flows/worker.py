"""What a Dask worker runs: one stage, in the clone it was started in.

Needed there: the project at the driver's revision, its environment and DVC's remote;
neither Prefect nor its server.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import get_worker

from flows.jobs import Job, Made
from flows.processes import Processes
from flows.run import Run, alone
from flows.sides import Site
from tasks.artifacts.errors import RefusedError

LOOK = 1  # seconds between two looks at whether the stage is still wanted


def work(job: Job) -> Made:
    """Make a stage here, push what it wrote.

    One stage at a time in a clone: what a folder holds beside its recorded files goes
    before a stage reads the folder, and another stage might just have written it.
    """
    place = f"{socket.gethostname()}:{Path.cwd()}"
    worker = get_worker()

    def tell(line: str) -> None:
        worker.log_event(job.topic, {"stage": job.stage, "line": line})

    tell(f"on {place}")
    try:
        if not Path("dvc.yaml").exists():
            raise RefusedError(
                "dvc.yaml",
                "file",
                "nothing",
                "the root of a clone as the worker's folder",
                "start there: dask worker ADDRESS --nthreads 1",
            )
        with alone(tell):
            site = Site.of(job)
            site.bring(job.stage, job.data)
            run = Run(site, job.timeout)
            with _wanted(run.processes):
                done = run.stage(job.stage, tell)
            made = Made(done.state, f"{done.message} on {place}", done.seconds)
            if done.state != "failed":
                made.entry, made.files = site.made(job.stage)
            return made
    except RefusedError as error:
        return Made("failed", f"refused on {place}: {error}")


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
