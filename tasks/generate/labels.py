"""A teacher who knows the right answer labels pictures, and errs at times.

For worlds whose batch has the capability ``answers`` and whose episodes all have the
same length. The action is the right one; with probability ``noise`` it is drawn evenly
from all, so that the share of wrong labels is noise (A - 1) / A. Start seeds and noise
are those of :class:`tasks.generate.engine.recording.Plan`, so an episode depends on its
number alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.episodes import Episode
from tasks.artifacts.params import Params, Range
from tasks.artifacts.seeding import PER_PART
from tasks.generate import Generator, Progress
from tasks.generate.engine.recording import Plan
from tasks.worlds import Batch, World, require

TEACHER = "teacher"


@dataclass(frozen=True)
class LabelsParams(Params):
    """Units and ranges stand in params/generate/labels.yaml."""

    noise: Annotated[float, Range(0, 1)]
    episodes: Annotated[int, Range(1, PER_PART)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]


class Labels(Generator[LabelsParams]):
    """Episodes of the teacher."""

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """Label pictures; refuses a world that does not know the answers."""
        p = self.params
        plan = Plan(p.seed, 0, p.episodes, None, p.in_flight)
        batch = world.make(plan.slots)
        require(batch, "answers")
        labelled: list[Episode] = []
        for first in range(0, p.episodes, plan.slots):
            numbers = range(first, first + plan.slots)
            labelled += self._side_by_side(batch, plan, numbers)[: p.episodes - first]
            progress(len(labelled) / p.episodes, TEACHER)
        batch.close()
        return labelled

    def _side_by_side(
        self, batch: Batch, plan: Plan, numbers: Sequence[int]
    ) -> list[Episode]:
        """Play one whole episode in each sub-environment.

        Args:
            batch: With N sub-environments.
            plan: Gives start seeds and noise.
            numbers: Of the N episodes.
        """
        world = batch.world
        shape = (world.params.max_steps, 2)  # whether it errs, what it then says
        draws = np.stack([plan.generator(n).random(shape) for n in numbers], axis=1)
        first, _ = batch.reset(seed=[plan.start_seed(n) for n in numbers])
        rows, steps = [first], []
        for err, other in draws.transpose(0, 2, 1):
            guess = (other * world.action_width).astype(np.int64)
            right = require(batch, "answers")()
            action = np.where(err < self.params.noise, guess, right)
            after, *outcome, _ = batch.step(action)
            rows.append(after)
            steps.append((action, *outcome))
            if batch.ended.all():
                break
        actions, rewards, terminated, truncated = (
            np.stack(part, axis=1) for part in zip(*steps, strict=True)
        )
        observations = np.stack(rows, axis=1)  # (N, T+1, O)
        return [
            Episode(
                observations[i],
                actions[i],
                rewards[i],
                terminated[i],
                truncated[i],
                seed=plan.start_seed(number),
                source=TEACHER,
            )
            for i, number in enumerate(numbers)
        ]
