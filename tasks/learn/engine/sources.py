"""What a learner learns from: batches of a replay buffer, or each step as it comes.

Shapes: S seeds, N worlds of a seed, B batch.
"""

from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from tasks.learn import ReplayLearner, StreamingLearner
from tasks.learn.engine.replay import Replay
from tasks.learn.engine.worlds import Step
from tasks.train import Batch
from tasks.train.engine.minibatches import BLOCK, Noises
from tasks.worlds import Floats

Metrics = list[dict[str, Tensor]]  # of the updates that a step led to


class Source(Protocol):
    """Between the worlds and a learner."""

    def learn(self, step: Step, done: int) -> Metrics:
        """Take a step of all worlds, after which ``done`` are done; learn from it."""

    def resume(self, done: int) -> None:
        """Go on where ``done`` steps were done."""

    def flush(self) -> None:
        """Keep on the disk what a run after a kill needs."""


class Replayed:
    """Batches of the newest steps.

    Random numbers of a block of updates come from generators of its own, as in
    ``tasks/train/engine/minibatches.py``.

    Args:
        learner: Learns from them.
        file: Of the buffer.
        steps: Of the whole run, of each seed.
        spare: Steps between two checkpoints, at most.
        batch: B.
    """

    def __init__(
        self,
        learner: ReplayLearner[Any],
        file: Path,
        steps: int,
        spare: int,
        batch: int,
    ) -> None:
        self.learner, self.batch = learner, batch
        o, a = learner.spaces.observation, learner.spaces.action
        widths = [o, a, 1, o, 1, *(a for _ in learner.columns)]
        capacity = min(learner.params.replay, steps)
        self.replay = Replay(file, len(learner.seeds), capacity, spare, widths)
        self.noises = Noises(learner, batch)
        self.block = -1  # which was drawn
        self.updates = 0

    def due(self, done: int) -> int:
        """Updates there are after some steps of a seed."""
        p = self.learner.params
        return int(max(0, done - p.warm_up) * p.updates_per_step)

    def learn(self, step: Step, done: int) -> Metrics:
        """Store the step, and take the updates that are due."""
        masks = {"legal": step.legal, "next_legal": step.next_legal}
        more = [cast(Floats, masks[name]) for name in self.learner.columns]
        reward, ended = step.reward[..., None], step.terminated[..., None]
        row = (step.observation, step.action, reward, step.next_observation, ended)
        self.replay.add(*row, *more)
        metrics = []
        while self.updates < self.due(done):
            drawn = self.drawn(self.updates)
            metrics.append(self.learner.update(drawn, self.updates))
            self.updates += 1
        return metrics

    def drawn(self, update: int) -> Batch:
        """The rows and noises of an update."""
        learner = self.learner
        block, i = divmod(update, BLOCK)
        if block != self.block:
            self.block = block
            draws = [np.random.default_rng([k, block, 0]) for k in learner.seeds]
            shape = (BLOCK, self.batch)
            self.places = np.stack([g.random(shape) for g in draws], axis=1)
        o, a, r, o2, d, *more = self.replay.sample(self.places[i])
        columns = dict(zip(learner.columns, more, strict=True))
        mean, std = learner.spaces.observation_mean, learner.spaces.observation_std
        o, o2 = (o - mean) / std, (o2 - mean) / std
        noise = self.noises(update)
        return Batch(o, a, r[..., 0], o2, d[..., 0], columns, noise)

    def resume(self, done: int) -> None:
        """The rows are in the file; which they are follows from the steps done."""
        self.replay.count, self.updates = done, self.due(done)

    def flush(self) -> None:
        """Write the rows."""
        self.replay.flush()


class Streamed:
    """Each step once, when it is taken.

    Args:
        learner: Learns from it.
    """

    def __init__(self, learner: StreamingLearner[Any]) -> None:
        self.learner = learner

    def learn(self, step: Step, done: int) -> Metrics:
        """Hand the step on."""
        masks: dict[str, Any] = {"legal": step.legal, "next_legal": step.next_legal}
        masks["truncated"] = step.truncated[..., None]
        o, a, r, o2, d, *more = (
            torch.from_numpy(np.asarray(x, np.float32))
            for x in (
                *(step.observation, step.action, step.reward),
                *(step.next_observation, step.terminated),
                *(masks[name] for name in self.learner.columns),
            )
        )
        columns = dict(zip(self.learner.columns, more, strict=True))
        return [self.learner.update(Batch(o, a, r, o2, d, columns), done - 1)]

    def resume(self, done: int) -> None:
        """Nothing is kept."""

    def flush(self) -> None:
        """Nothing is kept."""
