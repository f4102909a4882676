"""The online loop: act, store, update, for a stack of seeds at once.

What is random is drawn a block at a time from each seed's own number, as in
``tasks/train/engine/minibatches.py``, so that a seed's run does not depend on the
others and no random state is kept. A checkpoint holds the learner, the curves and how
the episodes that go on began and went; the replay buffer is a file beside it.

Shapes: S seeds, N worlds of a seed, B batch, O observation, A action.
"""

import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.checkpoint import Checkpoint, State
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.learn import Chance, OnlineLearner, ReplayLearner, StreamingLearner
from tasks.learn.engine.sources import Replayed, Source, Streamed
from tasks.learn.engine.worlds import Worlds
from tasks.train.engine.loop import (
    CHECKPOINT_SECONDS,
    Curves,
    check_weights,
    log,
    products,
)
from tasks.train.engine.minibatches import BLOCK
from tasks.worlds import World

LOGS = 100  # rows of the curves for each seed
SPARE_LOGS = 10  # a checkpoint is taken at least this often
NORMAL, UNIFORM = 1000, 1001  # streams of what a learner acts by
STATE = "worlds."  # before the names of the worlds' state in a checkpoint


class Draws:
    """What a stack of seeds acts by, drawn a block of steps at a time.

    Args:
        learner: Whose seeds.
    """

    def __init__(self, learner: OnlineLearner[Any]) -> None:
        self.seeds, width = learner.seeds, learner.spaces.action
        self.shape = (BLOCK, learner.params.worlds, width)
        self.wide = (BLOCK, learner.params.worlds, max(width, 2))
        self.block = -1  # which was drawn

    def __call__(self, number: int) -> Chance:
        """Of the number-th step of all worlds."""
        block, i = divmod(number, BLOCK)
        if block != self.block:
            self.block = block
            draws = [np.random.default_rng([k, block, NORMAL]) for k in self.seeds]
            drawn = [g.standard_normal(self.shape, np.float32) for g in draws]
            self.normal = np.stack(drawn, axis=1)
            draws = [np.random.default_rng([k, block, UNIFORM]) for k in self.seeds]
            drawn = [g.random(self.wide, np.float32) for g in draws]
            self.uniform = np.stack(drawn, axis=1)
        return Chance(self.normal[i], self.uniform[i])


def learn(
    learner: OnlineLearner[Any],
    world: World,
    steps: int,
    batch: int,
    *,
    place: Path,
    report: Callable[[int, dict[str, float]], None] = lambda *_: None,
    every: float = CHECKPOINT_SECONDS,
    moments: Collection[int] = (),
    keep: Callable[[int], None] = lambda _: None,
    precision: str = "float32",
    watch: Callable[[Curves], None] = lambda _: None,
) -> Curves:
    """Let a learner act in a world and learn, on from where it was killed.

    Args:
        learner: Freshly built, of ``steps`` updates; trained in place.
        world: Where it acts.
        steps: Of each seed, over all its worlds.
        batch: B, rows an update and seed.
        place: Folder of the checkpoint and the replay buffer, of this run alone.
        report: Called after each log with the steps done and metrics, mean over seeds.
        every: Least seconds between two checkpoints, >= 0.
        moments: Steps done at which ``keep`` is called, multiples of N; after a kill
            it may be called again for one, with the same policy.
        keep: Called with such a number; it may read the learner's policy.
        precision: Of matrix products in updates, ``float32`` or ``bfloat16``.
        watch: Called after each log with the curves so far, to be read.

    Returns:
        One row for each seed and log since the first update; ``update`` counts steps
        of a seed, ``return`` is what :meth:`Worlds.newest_returns` says.

    Raises:
        RefusedError: If ``steps`` or a moment is no multiple of N, the disk has no room
            for the buffer, the world does not repeat itself after a kill, or a metric
            or weight stops being finite; the last checkpoint then stays.
    """
    n = learner.params.worlds
    check_whole(n, [steps, *moments], learner.method()[1])
    if isinstance(learner, StreamingLearner):
        learner.check_world(world)
    log_every = max(steps // LOGS // n, 1) * n
    spare = SPARE_LOGS * log_every
    worlds, draws = Worlds(world, learner.seeds, n), Draws(learner)
    checkpoint = Checkpoint(place / "state")
    done, curves = resume(learner, worlds, checkpoint)
    source = source_of(learner, place / "replay", steps, spare, batch)
    source.resume(done)
    recent: list[dict[str, Tensor]] = []
    saved, saved_at = time.monotonic(), done
    while done < steps:
        action = chosen(learner, worlds, draws(done // n), done)
        done += n
        with products(precision, learner.device.type):
            recent += source.learn(worlds.step(action), done)
        if done in moments:
            keep(done)
        if done % log_every and done != steps:
            continue
        if recent:
            returns = torch.from_numpy(worlds.newest_returns()).float()
            rows = [{"return": returns, **metrics} for metrics in recent]
            report(done, log(curves, learner, rows, done))
            watch(curves)
        recent.clear()
        old = done - saved_at + log_every > spare
        if done == steps or old or time.monotonic() - saved >= every:
            tensors = learner.tensors()
            check_weights(learner, tensors, done)
            source.flush()
            save(checkpoint, done, tensors, worlds, curves)
            saved, saved_at = time.monotonic(), done
    worlds.env.close()
    return curves


def source_of(
    learner: OnlineLearner[Any], file: Path, steps: int, spare: int, batch: int
) -> Source:
    """What the learner learns from.

    Args:
        learner: One of the two kinds.
        file: Of a replay buffer.
        steps: Of the whole run, of each seed.
        spare: Steps between two checkpoints, at most.
        batch: B.
    """
    if isinstance(learner, StreamingLearner):
        return Streamed(learner)
    if isinstance(learner, ReplayLearner):
        return Replayed(learner, file, steps, spare, batch)
    raise TypeError(f"{type(learner).__name__} neither replays nor streams")


def check_whole(worlds: int, numbers: Collection[int], name: str) -> None:
    """Refuse steps that the worlds of a seed cannot share evenly.

    Args:
        worlds: N.
        numbers: Of steps.
        name: The learner's, for errors.
    """
    for number in numbers:
        if number % worlds:
            raise RefusedError(
                PARAMS,
                f"learn.{name}.worlds",
                f"{worlds}, where {number} steps are to be counted",
                "a divisor of the study's steps, and of those at each snapshot",
                "change worlds, study.steps or study.snapshots",
            )


def chosen(
    learner: OnlineLearner[Any], worlds: Worlds, chance: Chance, done: int
) -> NDArray[np.float32]:
    """The actions of all worlds, (S, N, A).

    Args:
        learner: Says how to act.
        worlds: Where they are.
        chance: Of this step.
        done: Steps of a seed before.
    """
    legal = None if worlds.legal is None else torch.from_numpy(worlds.legal)
    observation = torch.from_numpy(worlds.observation)
    with torch.no_grad():
        action: NDArray[np.float32]
        action = learner.act(observation, legal, chance, done).numpy()
    return action


def save(
    checkpoint: Checkpoint,
    done: int,
    tensors: dict[str, Tensor],
    worlds: Worlds,
    curves: Curves,
) -> None:
    """Keep everything a run needs to go on."""
    more = {f"{STATE}{name}": value for name, value in worlds.state().items()}
    if curves.rows:
        more["curves"] = torch.from_numpy(np.stack(curves.rows))
    checkpoint.save(done, {**tensors, **more}, curves.columns)


def resume(
    learner: OnlineLearner[Any], worlds: Worlds, checkpoint: Checkpoint
) -> tuple[int, Curves]:
    """Bring learner and worlds to the state of a checkpoint, if there is one.

    Returns:
        Steps of a seed done, 0 without a checkpoint, and the curves so far.
    """
    state = checkpoint.load()
    if state is None:
        return 0, Curves()
    names = [name for name in state.tensors if name.startswith(STATE)]
    worlds.restore({name[len(STATE) :]: state.tensors[name] for name in names})
    return state.step, restored(learner, state)


def restored(learner: OnlineLearner[Any], state: State) -> Curves:
    """Bring a learner to a state; returns the curves so far."""
    curves = state.tensors.get("curves", torch.zeros(0, 0))
    learner.restore(
        {
            name: tensor
            for name, tensor in state.tensors.items()
            if name != "curves" and not name.startswith(STATE)
        }
    )
    return Curves(state.columns, list(curves.numpy()))


def finished(
    learner: OnlineLearner[Any], place: Path
) -> tuple[OnlineLearner[Any], Curves]:
    """A learner as a run that has ended left it, and its curves.

    Args:
        learner: Freshly built.
        place: Of the run.
    """
    state = Checkpoint(place / "state").load()
    assert state is not None  # noqa: S101  # every run ends with a checkpoint
    return learner, restored(learner, state)
