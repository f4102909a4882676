"""Run the jobs of a bed whose results are not kept yet, and collect all results."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tasks.artifacts.kept import Kept
from tasks.artifacts.progress import Progress
from tasks.beds import Bed, BedParams, Job
from tasks.code import digest, of_method
from tasks.train.engine.processes import Report, side_by_side

KEPT = Path(".offcut/beds")
STEPS = 1000  # of a job's progress


def run_jobs(name: str, bed: Bed[BedParams]) -> list[dict[str, Any]]:
    """The results of all jobs, run now or kept from an earlier run.

    Args:
        name: Of the bed, a method of the room.
        bed: It.

    Returns:
        In the order of the bed's jobs: ``name``, ``settings`` and ``result`` of each.
    """
    jobs = bed.jobs()
    code = digest(of_method("beds", name))
    kept = Kept(KEPT / name, {"code": code, "inputs": dict(bed.inputs())})
    left = [job for job in jobs if kept.load(identity(bed, job)) is None]
    if left:
        torch.set_num_threads(1)
        bed.prepare(left, kept.folder)
        _run(name, bed, left, len(jobs), kept)
    return [
        {
            "name": job.name,
            "settings": dict(job.settings),
            "result": kept.load(identity(bed, job)),
        }
        for job in jobs
    ]


def identity(bed: Bed[BedParams], job: Job) -> dict[str, Any]:
    """What a job's result depends on beside code, inputs and versions."""
    without = {"processes", *job.ignores}
    return {
        "settings": dict(job.settings),
        "parameters": {k: v for k, v in asdict(bed.params).items() if k not in without},
    }


def _run(
    name: str, bed: Bed[BedParams], left: Sequence[Job], total: int, kept: Kept
) -> None:
    """Run jobs side by side, and keep the result of each when it is there."""
    begun, before = time.monotonic(), total - len(left)

    def work(number: int, say: Report) -> None:
        reported = 0

        def report(share: float) -> None:
            nonlocal reported
            step = int(STEPS * min(max(share, 0.0), 1.0))
            if step > reported:  # a message costs more than a short step of training
                reported = step
                say(step, {"": 0.0})

        kept.save(identity(bed, left[number]), bed.run(left[number], report))
        report(1.0)

    with Progress(f"bed {name}", total, lines=20) as progress:

        def show(mean: int, _: Mapping[str, float]) -> None:
            share = mean / STEPS
            progress(
                round(before + share * len(left), 2),
                time_left(time.monotonic() - begun, share),
            )

        side_by_side(len(left), work, show, bed.params.processes)


def time_left(spent: float, share: float) -> str:
    """How long the rest takes if it goes on as so far, in words.

    Args:
        spent: Seconds.
        share: Of the work that is done, 0..1.
    """
    if share <= 0:
        return ""
    seconds = spent * (1 - share) / share
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
