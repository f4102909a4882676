"""The learning of a stage in parts: some seeds in each process, as in ``train``.

Shapes: S seeds.
"""

import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.artifacts.actions import action_bounds
from tasks.artifacts.curves import CURVES
from tasks.artifacts.files import whole_folder, write_text
from tasks.artifacts.params import build
from tasks.artifacts.policy import save_policy
from tasks.artifacts.study import Effort
from tasks.learn import OnlineLearner
from tasks.learn.engine.loop import check_whole, finished, learn
from tasks.loggers import Runs
from tasks.train import Spaces
from tasks.train.engine.logged import Logged
from tasks.train.engine.loop import Curves, identity
from tasks.train.engine.parts import CHECKPOINTS, write_moments, write_policy
from tasks.train.engine.processes import Report, interleave
from tasks.worlds import World


def spaces(world: World) -> Spaces:
    """Widths and bounds of a world; observations are left as they are."""
    width = int(np.prod(world.observation_space.shape or (1,)))
    low, high = map(torch.from_numpy, action_bounds(world.action_space))
    zeros, ones = torch.zeros(width), torch.ones(width)
    return Spaces(zeros, ones, low, high, world.discrete, world.masked)


@dataclass
class Job:
    """What a stage lets learn.

    Attributes:
        name: The learner's.
        block: Its parameters.
        world: Where it acts.
        dataset: Whose world that is.
        sha256: Of what the dataset says of its world.
        effort: How much the study trains; its ``updates`` are steps of a seed.
    """

    name: str
    block: Mapping[str, Any]
    world: World
    dataset: str
    sha256: str
    effort: Effort

    def learner(self, seeds: Sequence[int]) -> OnlineLearner[Any]:
        """A fresh learner of some seeds.

        Raises:
            RefusedError: If parameters or the world's spaces are.
        """
        learner: OnlineLearner[Any] = build(
            dict(self.block),
            f"learn.{self.name}",
            spaces=spaces(self.world),
            seeds=tuple(seeds),
            updates=self.effort.updates,
        )
        return learner


class Part:
    """The learning of some seeds; what it leaves is in its folder.

    Args:
        job: What is learned.
        seeds: S of them.

    Attributes:
        place: Folder of checkpoint, replay buffer and snapshots.
        kept: Folder of the snapshots.
    """

    def __init__(self, job: Job, seeds: Sequence[int]) -> None:
        self.job, self.seeds = job, tuple(seeds)
        effort = job.effort
        check_whole(job.block["worlds"], [effort.updates, *effort.moments], job.name)
        key = identity(
            job.learner(seeds),
            {
                **job.block,
                # two that are alike may run at once, each in a place of its own
                "policy": [job.dataset, job.name],
                "moments": effort.moments,
            },
            job.sha256,
            effort.updates,
            effort.batch,
            effort.precision,
            effort.device,
        )
        self.place = CHECKPOINTS / key
        self.kept = self.place / "snapshots"

    def learn(self, report: Report) -> None:
        """Learn from the checkpoint, if there is one, to the end."""
        effort, learner = self.job.effort, self.job.learner(self.seeds)

        def keep(done: int) -> None:
            with whole_folder(self.kept / str(done)) as folder:
                save_policy(folder, deepcopy(learner.policy()), {})

        with Runs() as runs:
            learn(
                learner,
                self.job.world,
                effort.updates,
                effort.batch,
                place=self.place,
                report=report,
                moments=effort.moments,
                keep=keep,
                precision=effort.precision,
                watch=Logged(
                    runs, self.job.dataset, [self.job.name], self.seeds, self.place.name
                ),
            )

    def learned(self) -> tuple[OnlineLearner[Any], Curves]:
        """The learner as the run left it, and its curves."""
        return finished(self.job.learner(self.seeds), self.place)

    def remove(self) -> None:
        """Delete the folder, once the stage's output is in place."""
        shutil.rmtree(self.place, ignore_errors=True)


def write(
    job: Job, parts: Sequence[Part], folder: Path, origin: Mapping[str, Any]
) -> None:
    """Write what the parts left: policy, critics, curves, snapshots.

    Args:
        job: What was learned.
        parts: Of all seeds, in order.
        folder: Existing and empty.
        origin: What the policy was made of.
    """
    learned, whole = [part.learned() for part in parts], job.learner(job.effort.seeds)
    write_text(folder / CURVES, interleave([curves for _, curves in learned]).csv())
    learners = [learner for learner, _ in learned]
    write_policy(folder, whole, learners, job.effort, origin, {})
    write_moments(folder, whole, [p.kept for p in parts], job.effort, origin)
