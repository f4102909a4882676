"""What a learner learns from: batches of a replay buffer, or each step as it comes.

Shapes: S seeds, N worlds of a seed, B batch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from tasks.learn import ReplayLearner, StreamingLearner
from tasks.learn.engine.actions import Actions
from tasks.learn.engine.mixed import Dataset, rows_of
from tasks.learn.engine.replay import Replay
from tasks.learn.engine.worlds import Step
from tasks.train import Batch
from tasks.train.engine.minibatches import BLOCK, Noises
from tasks.worlds import Floats

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

Metrics = list[dict[str, Tensor]]  # of the updates that a step led to


def row_widths(learner: ReplayLearner[Any]) -> list[int]:
    """Widths of the columns of a row: o, a, r, o', d, then the learner's own."""
    o, a = learner.spaces.observation, learner.spaces.action
    return [o, a, 1, o, 1, *(a for _ in learner.columns)]


class Source(Protocol):
    """Between the worlds and a learner."""

    def learn(self, step: Step, done: int) -> Metrics:
        """Take a step of all worlds, after which ``done`` are done; learn from it."""

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint has to hold beside the steps done, by name."""

    def resume(self, done: int, state: Mapping[str, Tensor]) -> None:
        """Go on where ``done`` steps were done and :meth:`tensors` gave ``state``."""

    def flush(self) -> None:
        """Keep on the disk what a run after a kill needs."""


class Replayed:
    """Batches of the newest steps, and of a dataset's rows where the learner says so.

    Random numbers of a block of updates come from generators of its own, as in
    ``tasks/train/engine/minibatches.py``.

    Args:
        learner: Learns from them.
        file: Of the buffer.
        steps: Of the whole run, of each seed.
        spare: Steps between two checkpoints, at most.
        batch: B.
        data: What a share of each batch is drawn of; read by such learners alone.

    Raises:
        RefusedError: If there is no room for the buffer, or the dataset is of other
            spaces.
        ValueError: If several seeds, whose episodes end apart, are to learn from each
            episode, or a share of the batches is to be of no dataset.
    """

    def __init__(
        self,
        learner: ReplayLearner[Any],
        file: Path,
        steps: int,
        spare: int,
        batch: int,
        data: "Transitions | None" = None,
    ) -> None:
        p = learner.params
        if p.updates_per_episode and len(learner.seeds) > 1:
            raise ValueError("updates_per_episode of several seeds in one stack")
        self.learner, self.batch = learner, batch
        self.dataset: Dataset | None = None
        mixed = rows_of(p.data_share, batch, learner.method()[1])
        if mixed:
            if data is None:
                raise ValueError("a share of the batches is to be of no dataset")
            self.dataset = Dataset(learner, data, mixed)
        self.own = batch - mixed  # rows of the buffer in a batch
        capacity = min(p.replay, steps)
        widths = row_widths(learner)
        self.replay = Replay(file, len(learner.seeds), capacity, spare, widths)
        self.actions: Actions | None = None
        if p.record:
            of = len(learner.seeds), steps // p.worlds, p.worlds, learner.spaces.action
            self.actions = Actions(file.with_name("actions"), of)
        self.noises = Noises(learner, batch)
        self.block = -1  # which was drawn
        self.updates = self.episodes = 0  # episodes: that ended after the warm-up

    def due(self, done: int) -> int:
        """Updates there are after some steps of a seed, and its episodes so far."""
        p = self.learner.params
        stepwise = int(max(0, done - p.warm_up) * p.updates_per_step)
        return stepwise + self.episodes * p.updates_per_episode

    def learn(self, step: Step, done: int) -> Metrics:
        """Store the step, and take the updates that are due."""
        masks = {"legal": step.legal, "next_legal": step.next_legal}
        more = [cast(Floats, masks[name]) for name in self.learner.columns]
        reward, ended = step.reward[..., None], step.terminated[..., None]
        row = (step.observation, step.action, reward, step.next_observation, ended)
        self.replay.add(*row, *more)
        p = self.learner.params
        if self.actions:
            self.actions.add(done // p.worlds - 1, step.action)
        if done > p.warm_up:
            self.episodes += int((step.terminated | step.truncated).sum())
        metrics = []
        while self.updates < self.due(done):
            drawn = self.drawn(self.updates)
            metrics.append(self.learner.update(drawn, self.updates))
            self.updates += 1
        return metrics

    def drawn(self, update: int) -> Batch:
        """The rows and noises of an update."""
        learner, spaces = self.learner, self.learner.spaces
        block, i = divmod(update, BLOCK)
        if block != self.block:
            self.block = block
            draws = [np.random.default_rng([k, block, 0]) for k in learner.seeds]
            shape = (BLOCK, self.own)
            self.places = np.stack([g.random(shape) for g in draws], axis=1)
        columns = self.replay.sample(self.places[i])
        for at in (0, 3):  # observation and next observation
            mean, std = spaces.observation_mean, spaces.observation_std
            columns[at] = (columns[at] - mean) / std
        if self.dataset:
            pairs = zip(columns, self.dataset(update), strict=True)
            columns = [torch.cat(pair, 1) for pair in pairs]
        o, a, r, o2, d, *more = columns
        named = dict(zip(learner.columns, more, strict=True))
        return Batch(o, a, r[..., 0], o2, d[..., 0], named, self.noises(update))

    def tensors(self) -> dict[str, Tensor]:
        """The episodes that brought updates; the rows are in the file."""
        return {"episodes": torch.tensor(self.episodes)}

    def resume(self, done: int, state: Mapping[str, Tensor]) -> None:
        """Which rows are in the file follows from the steps done."""
        self.episodes = int(state.get("episodes", 0))
        self.replay.count, self.updates = done, self.due(done)

    def flush(self) -> None:
        """Write rows and actions."""
        self.replay.flush()
        if self.actions:
            self.actions.flush()


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

    def tensors(self) -> dict[str, Tensor]:
        """Nothing is kept."""
        return {}

    def resume(self, done: int, state: Mapping[str, Tensor]) -> None:
        """Nothing is kept."""

    def flush(self) -> None:
        """Nothing is kept."""
