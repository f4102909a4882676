"""Small online learners, and short runs of them."""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.params import build
from tasks.learn import OnlineLearner
from tasks.learn.engine.loop import learn
from tasks.learn.engine.parts import spaces
from tasks.train.engine.loop import Curves
from tasks.worlds import World
from tests.train import harness

SMALL = {"warm_up": 30, "replay": 1000, "updates_per_step": 0.5}


def sac(world: World, seeds: tuple[int, ...], steps: int = 90, **more: Any) -> Any:
    """A small SAC that learns fast."""
    own: dict[str, Any] = {"actor_rate": 0.01, "critic_rate": 0.01}
    own |= {"actor_hidden": [8], "critic_hidden": [8]}
    return make("sac", world, seeds, steps, **(own | more))


def dqn(world: World, seeds: tuple[int, ...], steps: int = 90, **more: Any) -> Any:
    """A small DQN."""
    return make("dqn", world, seeds, steps, critic_hidden=[8], **more)


def dsac_t(world: World, seeds: tuple[int, ...], steps: int = 90, **more: Any) -> Any:
    """A small DSAC-T that learns fast."""
    own = {"actor_rate": 0.01, "critic_rate": 0.01, "worlds": 1}
    small = {"actor_hidden": [8], "critic_hidden": [8]}
    return make("dsac_t", world, seeds, steps, **(own | small | more))


def make(
    name: str, world: World, seeds: tuple[int, ...], steps: int, **more: Any
) -> OnlineLearner[Any]:
    """An online learner with what the test changes."""
    harness.settle()
    small = {} if name == "stream_x" else SMALL  # which has no buffer
    of = more.pop("spaces", None) or spaces(world)
    block = harness.block(name, **(small | more))
    about = {"spaces": of, "seeds": seeds, "updates": steps}
    learner: OnlineLearner[Any] = build(block, f"learn.{name}", **about)
    return learner


def run(learner: Any, world: World, place: Path, **more: Any) -> Curves:
    """Learn to the end, with batches of 8."""
    return learn(learner, world, learner.updates, 8, place=place, **more)


def rows(place: Path, learner: Any, count: int) -> list[np.ndarray]:
    """The first rows of the replay file: columns (S, count, width)."""
    o, a = learner.spaces.observation, learner.spaces.action
    widths = [o, a, 1, o, 1, *(a for _ in learner.columns)]
    whole = np.fromfile(place / "replay", np.float32)
    table = whole.reshape(len(learner.seeds), -1, sum(widths))
    return np.split(table[:, :count], np.cumsum(widths)[:-1], axis=2)
