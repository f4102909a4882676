"""The learning of a stage in parts: some seeds in each process, as in ``train``.

Shapes: S seeds.
"""

import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tasks.artifacts.actions import action_bounds
from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.curves import CURVES
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import whole_folder, write_text
from tasks.artifacts.params import PARAMS, build
from tasks.artifacts.policy import save_policy
from tasks.artifacts.study import Effort
from tasks.learn import OnlineLearner, ReplayLearner
from tasks.learn.engine.actions import Actions, write_actions
from tasks.learn.engine.loop import STATE, check_whole, finished, learn
from tasks.learn.engine.mixed import rows_of
from tasks.learn.engine.replay import check_room
from tasks.learn.engine.sources import row_widths
from tasks.learn.engine.start import Start
from tasks.learn.engine.state import write_state
from tasks.loggers import Runs
from tasks.train import Spaces
from tasks.train.engine.logged import Logged
from tasks.train.engine.loop import Curves, identity
from tasks.train.engine.parts import CHECKPOINTS, write_moments, write_policy
from tasks.train.engine.processes import Report, interleave
from tasks.worlds import World

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions


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
        policy: What the policy is called.
        start: What the learner begins from; None for nothing.
        data: The dataset, where batches are mixed with it.
    """

    name: str
    block: Mapping[str, Any]
    world: World
    dataset: str
    sha256: str
    effort: Effort
    policy: str
    start: Start | None = None
    data: "Transitions | None" = None

    def fresh(self, seeds: Sequence[int]) -> OnlineLearner[Any]:
        """A learner of some seeds that has not begun yet.

        Raises:
            RefusedError: If parameters or the world's spaces are.
        """
        own = spaces(self.world)
        learner: OnlineLearner[Any] = build(
            dict(self.block),
            f"learn.{self.name}",
            spaces=self.start.spaces(own) if self.start else own,
            seeds=tuple(seeds),
            updates=self.effort.updates,
        )
        return learner

    def learner(self, seeds: Sequence[int]) -> OnlineLearner[Any]:
        """The same where it begins.

        Raises:
            RefusedError: Also if it cannot begin from that policy.
        """
        learner = self.fresh(seeds)
        if self.start:
            self.start.begin(learner, self.fresh(seeds[:1]))
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
                "policy": [job.dataset, job.policy],
                "moments": effort.moments,
                "start": job.start.sha256 if job.start else "",
                "data": job.data.sha256 if job.data else "",
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
        """Learn from the checkpoint, if there is one, to the end.

        Raises:
            RefusedError: As :func:`learn`, or if nothing led to an update.
        """
        effort, learner = self.job.effort, self.job.learner(self.seeds)

        def keep(done: int) -> None:
            with whole_folder(self.kept / str(done)) as folder:
                save_policy(folder, deepcopy(learner.policy()), {})

        with Runs() as runs:
            curves = learn(
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
                    *(runs, self.job.dataset, [self.job.policy]),
                    *(self.seeds, self.place.name),
                ),
                data=self.job.data,
            )
        if not curves.rows:
            steps = effort.updates
            found, expected = f"{steps}, in which no episode ended", "enough for one"
            mend = "raise study.steps"
            raise RefusedError(PARAMS, "study.steps", found, expected, mend)

    def learned(self) -> tuple[OnlineLearner[Any], Curves]:
        """The learner as the run left it, and its curves."""
        return finished(self.job.learner(self.seeds), self.place)

    def acted(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """What each seed did, (T, N, A), and where it came to, (N, O)."""
        learner, steps = self.job.fresh(self.seeds), self.job.effort.updates
        n, seeds = learner.params.worlds, len(self.seeds)
        shape = seeds, steps // n, n, learner.spaces.action
        state = Checkpoint(self.place / "state").load()
        assert state is not None  # noqa: S101  # every run ends with a checkpoint
        ends = state.tensors[f"{STATE}observation"].numpy()
        return list(Actions(self.place / "actions", shape).rows), list(ends)

    def remove(self) -> None:
        """Delete the folder, once the stage's output is in place."""
        shutil.rmtree(self.place, ignore_errors=True)


def check_rooms(job: Job, parts: Sequence[Part]) -> None:
    """Refuse replay buffers that would not fit together, before any is made.

    Args:
        job: What is to be learned.
        parts: Of all seeds; those that were begun before have their room.
    """
    learner, steps = job.fresh(job.effort.seeds[:1]), job.effort.updates
    if not isinstance(learner, ReplayLearner):
        return
    p = learner.params
    rows_of(p.data_share, job.effort.batch, job.name)
    new = [part for part in parts if not (part.place / "replay").is_file()]
    count = sum(len(part.seeds) for part in new)
    numbers = min(p.replay, steps) * sum(row_widths(learner))
    numbers += steps * learner.spaces.action * p.record
    check_room(CHECKPOINTS / "replay", 4 * numbers * count, count)


def write(
    job: Job, parts: Sequence[Part], folder: Path, origin: Mapping[str, Any]
) -> None:
    """Write what the parts left: policy, critics, state, actions, curves, snapshots.

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
    about = {"learner": job.name, "steps": job.effort.updates}
    write_state(folder, learners, job.fresh(job.effort.seeds[:1]), about)
    if job.block.get("record"):
        acted = [part.acted() for part in parts]
        rows, ends = ([x for pair in acted for x in pair[i]] for i in (0, 1))
        said = {"dataset": job.dataset, "world_sha256": job.sha256}
        write_actions(folder, job.effort.seeds, rows, ends, said)
    write_moments(folder, whole, [p.kept for p in parts], job.effort, origin)
