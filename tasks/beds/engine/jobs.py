"""Run the jobs of a bed whose results are not kept yet, and collect all results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tasks.artifacts.kept import Kept
from tasks.artifacts.processes import Say, side_by_side
from tasks.artifacts.progress import Progress
from tasks.beds import Bed, BedParams, Job
from tasks.code import digest, of_method

KEPT = Path(".offcut/beds")
STEP = 0.001  # of a job, between two reports: one costs more than a step of training
# where inputs lie says nothing of them, which their hashes do
ALWAYS_IGNORED = ("processes", "needs_dataset", "needs_policies")


def run_jobs(name: str, bed: Bed[BedParams]) -> list[dict[str, Any]]:
    """The results of all jobs, run now or kept from an earlier run.

    Args:
        name: Of the bed, a method of the room.
        bed: It.

    Returns:
        In the order of the bed's jobs: ``name``, ``settings`` and ``result`` of each.
    """
    jobs = bed.jobs()
    kept = Kept(KEPT / name, {"code": digest(of_method("beds", name))})
    inputs = bed.inputs()
    keys = {job.name: identity(bed.params, inputs, job) for job in jobs}
    left = [job for job in jobs if kept.load(keys[job.name]) is None]
    if left:
        torch.set_num_threads(1)
        bed.prepare(left, kept)
        done = len(jobs) - len(left)
        with Progress(f"bed {name}", len(jobs)) as progress:
            progress(done)
            _run(bed, left, kept, keys, lambda n: progress(done + n))
    return [
        {
            "name": job.name,
            "settings": dict(job.settings),
            "result": kept.load(keys[job.name]),
        }
        for job in jobs
    ]


def identity(params: BedParams, inputs: Mapping[str, str], job: Job) -> dict[str, Any]:
    """What a job's result depends on beside code and versions.

    Args:
        params: Of the bed.
        inputs: Its hashes.
        job: Which.
    """
    without = {*ALWAYS_IGNORED, *job.ignores}
    return {
        "settings": dict(job.settings),
        "parameters": {k: v for k, v in asdict(params).items() if k not in without},
        "inputs": {k: v for k, v in inputs.items() if k not in without},
    }


def _run(
    bed: Bed[BedParams],
    left: Sequence[Job],
    kept: Kept,
    keys: Mapping[str, Mapping[str, Any]],
    progress: Callable[[float], None],
) -> None:
    """Run jobs side by side, and keep the result of each when it is there.

    Args:
        bed: Prepared.
        left: Its jobs whose results are not kept.
        kept: Where results go.
        keys: What each result depends on, by the job's name.
        progress: Called with how many jobs are done.
    """
    shares = [0.0] * len(left)

    def work(number: int, say: Say) -> None:
        reported = 0.0

        def report(share: float) -> None:
            nonlocal reported
            share = min(share, 1.0)
            if share >= reported + STEP or share == 1 > reported:
                reported = share
                say(share)

        job = left[number]
        kept.save(keys[job.name], bed.run(job, report))
        report(1.0)

    def heard(number: int, share: float) -> None:
        shares[number] = share
        progress(round(sum(shares), 2))

    side_by_side(len(left), work, heard, bed.params.processes)
