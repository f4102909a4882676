"""A teacher who knows the right answer labels pictures, and errs at times.

For worlds whose episodes are one answer each and whose batch has the capability
``answers``. The action is the right one; with probability ``noise`` it is drawn evenly
from all, so that the share of wrong labels is noise (A - 1) / A. Start seeds and noise
are those of ``_collect.Plan``, so an episode depends on its number alone.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.episodes import Episode
from tasks.artifacts.params import Params, Range
from tasks.generate import Generator, Progress
from tasks.generate._collect import PER_PART, Plan
from tasks.worlds import World, require


@dataclass(frozen=True)
class LabelsParams(Params):
    """See params/generate/labels.yaml for units and ranges."""

    noise: Annotated[float, Range(0, 1)]
    episodes: Annotated[int, Range(1, PER_PART)]
    seed: Annotated[int, Range(0, 100)]
    in_flight: Annotated[int, Range(1, 1024)]


class Labels(Generator):
    """See the module."""

    Parameters = LabelsParams
    params: LabelsParams

    def episodes(self, world: World, progress: Progress) -> list[Episode]:
        """See :meth:`tasks.generate.Generator.episodes`."""
        p = self.params
        plan = Plan(p.seed, 0, p.episodes, None, p.in_flight)
        batch = world.make(plan.slots)
        answers = require(batch, "answers")
        made: list[Episode] = []
        for first in range(0, p.episodes, plan.slots):
            numbers = np.arange(first, first + plan.slots)
            seen, _ = batch.reset(seed=[plan.start_seed(n) for n in map(int, numbers)])
            draws = [plan.generator(n).random(2) for n in map(int, numbers)]
            err, other = np.array(draws).T
            guess = (other * world.action_width).astype(np.int64)
            action = np.where(err < p.noise, guess, answers())
            after, reward, terminated, truncated, _ = batch.step(action)
            made += [
                Episode(
                    observations=np.stack([seen[i], after[i]]),
                    actions=action[i : i + 1],
                    rewards=reward[i : i + 1].copy(),
                    terminations=terminated[i : i + 1].copy(),
                    truncations=truncated[i : i + 1].copy(),
                    infos={},
                    seed=plan.start_seed(int(number)),
                    source="teacher",
                )
                for i, number in enumerate(numbers)
                if number < p.episodes
            ]
            progress(len(made) / p.episodes, "teacher")
        batch.close()
        return made
