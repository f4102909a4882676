"""The training of a stage in parts: which slices lie in which stack, and what is left.

A slice is a configuration with a seed. Without a sweep there is one configuration, and
the parts share its seeds. With one, a part holds whole configurations, and as many as
make some ``UNITS`` units of a layer: fewer leave the processor waiting for dispatch,
more no longer fit its cache. Which slice is in which part depends on the parameters
alone.

Shapes: K seeds of the study, S slices of a part.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts.arrays import TRAIN, Arrays
from tasks.artifacts.checkpoint import Checkpoint
from tasks.artifacts.curves import CURVES
from tasks.artifacts.files import whole_folder, write_text
from tasks.artifacts.params import class_of
from tasks.artifacts.policy import load_policy, save_critic, save_policy
from tasks.artifacts.study import Effort
from tasks.artifacts.sweep import Numbers
from tasks.loggers import Runs
from tasks.train import Learner, Spaces
from tasks.train.engine.horizon import horizon, words
from tasks.train.engine.logged import Logged
from tasks.train.engine.loop import Curves, identity, resume, train
from tasks.train.engine.processes import Report, interleave, of_share, split, stack
from tasks.train.engine.slices import in_slices
from tasks.train.engine.stack import Stack
from tasks.train.engine.table import spaces
from tasks.weigh import Doubles

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

CHECKPOINTS = Path(".offcut/checkpoints")
UNITS = 2048  # of the widest layer in all slices of a part, if a sweep has as many


@dataclass
class Job:
    """What a stage trains.

    Attributes:
        name: The learner's.
        block: Its parameters.
        data: The dataset.
        effort: How much the study trains.
        tried: By policy's name the numbers in which it differs from the block; one
            policy without any where nothing is swept.
        weights: How likely each transition is to be drawn; None for evenly.
    """

    name: str
    block: Mapping[str, Any]
    data: "Transitions | Arrays"
    effort: Effort
    tried: Mapping[str, Numbers]
    weights: Doubles | None = None

    @cached_property
    def spaces(self) -> Spaces:
        """Widths, statistics and bounds of the dataset."""
        if isinstance(self.data, Arrays):
            raise TypeError("named arrays have no spaces")
        return spaces(self.data)

    @cached_property
    def seen(self) -> dict[str, Any]:
        """What a learner is told of the dataset before it sees a batch."""
        if isinstance(self.data, Arrays):
            return {"data": self.data.split(TRAIN)}
        return {"spaces": self.spaces}

    def learner(self, policies: Sequence[str], seeds: Sequence[int]) -> Stack[Any]:
        """A fresh learner whose slices are some policies with some seeds each.

        Raises:
            RefusedError: If parameters or data are.
        """
        where = f"train.{self.name}"
        cls = class_of(self.block, where)
        blocks = [{**self.block, **self.tried[policy]} for policy in policies]
        params = [cls.Parameters.parse(block, where) for block in blocks]
        learner: Stack[Any] = cls(
            params=in_slices(params, len(seeds)),
            **self.seen,
            seeds=tuple(seeds) * len(policies),
            updates=self.effort.updates,
        )
        if len(self.tried) > 1:
            learner.labels = [f"seed {k} of {p}" for p in policies for k in seeds]
        learner.weights = self.weights
        return learner

    def parts(self) -> "list[list[Part]]":
        """The parts, those that share one policy's seeds together."""
        seeds, processes = self.effort.seeds, self.effort.processes
        policies = list(self.tried)
        if len(policies) == 1:
            return [[Part(self, policies, some) for some in split(seeds, processes)]]
        lists = [value for value in self.block.values() if isinstance(value, list)]
        widest = max((max(value) for value in lists if value), default=1)
        count = max(processes, ceil(len(policies) * len(seeds) * widest / UNITS))
        return [[Part(self, some, seeds)] for some in split(policies, count)]


class Part:
    """The training of some slices; what it leaves is in its two folders.

    Args:
        job: What is trained.
        policies: The names of its configurations.
        seeds: Of each of them.

    Attributes:
        checkpoint: The learner's state; in the end, that after the last update.
        kept: Folder of the snapshots' policies.
    """

    def __init__(self, job: Job, policies: Sequence[str], seeds: Sequence[int]) -> None:
        self.job, self.policies, self.seeds = job, policies, seeds
        effort = job.effort
        key = identity(
            job.learner(policies[:1], seeds),
            {
                **job.block,
                # two that are alike may be trained at once, each in a place of its own
                "policy": [job.data.dataset_id, job.name],
                "moments": effort.moments,
                "tried": [job.tried[policy] for policy in policies],
            },
            job.data.sha256,
            effort.updates,
            effort.batch,
            effort.precision,
            effort.device,
        )
        self.checkpoint = Checkpoint(CHECKPOINTS / key)
        self.kept = CHECKPOINTS / f"{key}-snapshots"

    def train(self, report: Report) -> None:
        """Train from the checkpoint, if there is one, to the end."""
        effort = self.job.effort
        learner = self.job.learner(self.policies, self.seeds).to(effort.device)

        def keep(done: int) -> None:
            with whole_folder(self.kept / str(done)) as folder:
                save_policy(folder, deepcopy(learner.policy()).cpu(), {})

        place = self.checkpoint.folder.name  # the hash of what decides the result
        dataset = self.job.data.dataset_id.removesuffix("-v0")
        with Runs() as runs:
            train(
                learner,
                self.job.data,
                effort.updates,
                effort.batch,
                checkpoint=self.checkpoint,
                report=report,
                moments=effort.moments,
                keep=keep,
                precision=effort.precision,
                watch=Logged(runs, dataset, self.policies, self.seeds, place),
            )

    def trained(self) -> tuple[Stack[Any], Curves]:
        """The learner as the training left it, and its curves."""
        learner = self.job.learner(self.policies, self.seeds)
        return learner, resume(learner, self.checkpoint)[1]

    def remove(self) -> None:
        """Delete both folders, once the stage's output is in place."""
        self.checkpoint.remove()
        shutil.rmtree(self.kept, ignore_errors=True)


def write(
    job: Job,
    parts: Sequence[Part],
    place: Callable[[str], Path],
    origin: Callable[[str], dict[str, Any]],
) -> list[str]:
    """Write what some parts left, policy by policy.

    Args:
        job: What was trained.
        parts: Of the same policies; with several policies it is one part.
        place: An existing empty folder for each policy.
        origin: What each policy was made of.

    Returns:
        How far each policy's critics came, a line each.
    """
    effort, lines = job.effort, []
    trained = [part.trained() for part in parts]
    policies = parts[0].policies
    for i, name in enumerate(policies):
        share, folder, about = (i, len(policies)), place(name), origin(name)
        curves = [of_share(c, len(learner.seeds), share) for learner, c in trained]
        whole, joined = job.learner([name], effort.seeds), interleave(curves)
        block, more = {**job.block, **job.tried[name]}, {}
        reached = None
        if isinstance(whole, Learner) and not isinstance(job.data, Arrays):
            reached = horizon(whole, block, job.data, joined)
        if reached:
            more["horizon"] = reached
            lines.append(words(name, reached))
        write_text(folder / CURVES, joined.csv())
        learners = [learner for learner, _ in trained]
        write_policy(folder, whole, learners, effort, about, more, share)
        write_moments(folder, whole, [p.kept for p in parts], effort, about, share)
    return lines


def write_policy(
    folder: Path,
    whole: Stack[Any],
    learners: Sequence[Stack[Any]],
    effort: Effort,
    about: Mapping[str, Any],
    more: Mapping[str, Any],
    share: tuple[int, int] = (0, 1),
) -> None:
    """Write the policy that some parts trained, and their critics.

    Args:
        folder: Where its curves lie already.
        whole: Of all seeds, overwritten.
        learners: Of some seeds each, in order.
        effort: How much was trained.
        about: What the policy was made of.
        more: What is said of the end of the training alone.
        share: Which, 0..., of how many equal shares of a part's slices is meant.
    """
    policy, final = whole.policy(), {**about, "updates": effort.updates, **more}
    stack(policy, [learner.policy() for learner in learners], share)
    save_policy(folder, policy, final, CURVES)
    if critic := whole.critic():
        critics = [c for learner in learners if (c := learner.critic())]
        stack(critic, critics, share)
        save_critic(folder, critic, final)


def write_moments(
    folder: Path,
    whole: Stack[Any],
    kept: Sequence[Path],
    effort: Effort,
    about: Mapping[str, Any],
    share: tuple[int, int] = (0, 1),
) -> None:
    """Write the policies of the moments of a training, ``snapshots/<updates>/``.

    Args:
        folder: Of the policy.
        whole: Of all seeds; its policy is overwritten.
        kept: The folders of the parts' snapshots, in order.
        effort: Says which moments.
        about: What the policy was made of.
        share: As of :func:`write_policy`.
    """
    policy = whole.policy()
    for done in effort.moments:
        stack(policy, [load_policy(part / str(done))[0] for part in kept], share)
        moment = folder / "snapshots" / str(done)
        moment.mkdir(parents=True)
        save_policy(moment, policy, {**about, "updates": done})
