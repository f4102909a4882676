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
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.checkpoint import Checkpoint, State
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS
from tasks.learn import Chance, OnlineLearner
from tasks.learn.engine.replay import Replay
from tasks.learn.engine.worlds import Worlds
from tasks.train import Batch
from tasks.train.engine.loop import (
    CHECKPOINT_SECONDS,
    Curves,
    check_weights,
    log,
    products,
)
from tasks.train.engine.minibatches import BLOCK, Noises
from tasks.worlds import Floats, World

LOGS = 100  # rows of the curves for each seed
SPARE_LOGS = 10  # a checkpoint is taken at least this often
NORMAL, UNIFORM = 1000, 1001  # streams of what a learner acts by
STATE = "worlds."  # before the names of the worlds' state in a checkpoint


class Draws:
    """What a stack of seeds draws at random while it acts and learns.

    Args:
        learner: Whose seeds and noises.
        batch: B.
    """

    def __init__(self, learner: OnlineLearner[Any], batch: int) -> None:
        self.seeds, self.batch = learner.seeds, batch
        width = learner.spaces.action
        self.shape = (learner.params.worlds, width)
        self.wide = (learner.params.worlds, max(width, 2))
        self.noises = Noises(learner, batch)
        self.acting, self.updating = -1, -1  # which block was drawn

    def chance(self, number: int) -> Chance:
        """Of the number-th step of all worlds."""
        block, i = divmod(number, BLOCK)
        if block != self.acting:
            self.acting = block
            draws = [np.random.default_rng([k, block, NORMAL]) for k in self.seeds]
            lead = (BLOCK, *self.shape)
            drawn = [g.standard_normal(lead, np.float32) for g in draws]
            self.normal = np.stack(drawn, axis=1)
            draws = [np.random.default_rng([k, block, UNIFORM]) for k in self.seeds]
            lead = (BLOCK, *self.wide)
            self.uniform = np.stack([g.random(lead, np.float32) for g in draws], axis=1)
        return Chance(self.normal[i], self.uniform[i])

    def batch_of(
        self, update: int, learner: OnlineLearner[Any], replay: Replay
    ) -> Batch:
        """The rows and noises of an update."""
        block, i = divmod(update, BLOCK)
        if block != self.updating:
            self.updating = block
            draws = [np.random.default_rng([k, block, 0]) for k in self.seeds]
            shape = (BLOCK, self.batch)
            self.places = np.stack([g.random(shape) for g in draws], axis=1)
        o, a, r, o2, d, *more = replay.sample(self.places[i])
        columns = dict(zip(learner.columns, more, strict=True))
        mean, std = learner.spaces.observation_mean, learner.spaces.observation_std
        o, o2 = (o - mean) / std, (o2 - mean) / std
        noise = self.noises(update)
        return Batch(o, a, r[..., 0], o2, d[..., 0], columns, noise)


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
    p, n = learner.params, learner.params.worlds
    check_whole(n, [steps, *moments], learner.method()[1])
    log_every = max(steps // LOGS // n, 1) * n
    spare = SPARE_LOGS * log_every
    widths = [learner.spaces.observation, learner.spaces.action, 1]
    widths += [learner.spaces.observation, 1]
    widths += [learner.spaces.action for _ in learner.columns]
    capacity = min(p.replay, steps)
    replay = Replay(place / "replay", len(learner.seeds), capacity, spare, widths)
    worlds, draws = Worlds(world, learner.seeds, n), Draws(learner, batch)
    checkpoint = Checkpoint(place / "state")
    done, updates, curves = resume(learner, worlds, checkpoint)
    replay.count = done
    recent: list[dict[str, Tensor]] = []
    saved, saved_at = time.monotonic(), done
    while done < steps:
        play(learner, worlds, replay, draws.chance(done // n), done)
        done += n
        due = int(max(0, done - p.warm_up) * p.updates_per_step)
        with products(precision, learner.device.type):
            while updates < due:
                drawn = draws.batch_of(updates, learner, replay)
                recent.append(learner.update(drawn, updates))
                updates += 1
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
            replay.flush()
            save(checkpoint, done, updates, tensors, worlds, curves)
            saved, saved_at = time.monotonic(), done
    worlds.env.close()
    return curves


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


def play(
    learner: OnlineLearner[Any],
    worlds: Worlds,
    replay: Replay,
    chance: Chance,
    done: int,
) -> None:
    """Step all worlds once and store what came of it.

    Args:
        learner: Says how to act.
        worlds: Stepped.
        replay: Gets a row of each world.
        chance: Of this step.
        done: Steps of a seed before.
    """
    observation, legal = worlds.observation, worlds.legal
    masks = None if legal is None else torch.from_numpy(legal)
    with torch.no_grad():
        own = torch.from_numpy(observation)
        action = learner.act(own, masks, chance, done).numpy()
    step = worlds.step(action)
    stored = {"legal": legal, "next_legal": step.legal}
    more = [cast(Floats, stored[name]) for name in learner.columns]
    reward, ended = step.reward[..., None], step.terminated[..., None]
    replay.add(observation, action, reward, step.observation, ended, *more)


def save(
    checkpoint: Checkpoint,
    done: int,
    updates: int,
    tensors: dict[str, Tensor],
    worlds: Worlds,
    curves: Curves,
) -> None:
    """Keep everything a run needs to go on."""
    more = {f"{STATE}{name}": value for name, value in worlds.state().items()}
    more["updates"] = torch.tensor([updates])
    if curves.rows:
        more["curves"] = torch.from_numpy(np.stack(curves.rows))
    checkpoint.save(done, {**tensors, **more}, curves.columns)


def resume(
    learner: OnlineLearner[Any], worlds: Worlds, checkpoint: Checkpoint
) -> tuple[int, int, Curves]:
    """Bring learner and worlds to the state of a checkpoint, if there is one.

    Returns:
        Steps of a seed and updates done, 0 without a checkpoint, and the curves so far.
    """
    state = checkpoint.load()
    if state is None:
        return 0, 0, Curves()
    names = [name for name in state.tensors if name.startswith(STATE)]
    worlds.restore({name[len(STATE) :]: state.tensors[name] for name in names})
    updates = int(state.tensors["updates"])
    return state.step, updates, restored(learner, state)


def restored(learner: OnlineLearner[Any], state: State) -> Curves:
    """Bring a learner to a state; returns the curves so far."""
    curves = state.tensors.get("curves", torch.zeros(0, 0))
    more = ("updates", "curves")
    own = {n: t for n, t in state.tensors.items() if not n.startswith(STATE)}
    learner.restore({name: t for name, t in own.items() if name not in more})
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
