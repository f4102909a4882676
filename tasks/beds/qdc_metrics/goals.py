"""Who learns from the nine datasets: goal-conditioned behaviour cloning, and its tests.

An episode's goal is where it ended (hindsight), x and y in m, two more numbers of every
observation. A test starts the world, tells the policy a goal, and looks how far from it
the episode ends.

Shapes: S seeds, G goals of a test, O observation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.artifacts.dataset import load_episodes
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.seeding import seed_of
from tasks.artifacts.transitions import Transitions, divisor
from tasks.beds import Report
from tasks.beds.qdc_metrics.pool import Doubles
from tasks.generate.cores.descriptors import Measures
from tasks.generate.cores.policy_batch import Act, Arena, Array
from tasks.nets.feedforward import Feedforward
from tasks.train.cores.cloning import Cloning, CloningParams
from tasks.train.engine.loop import train
from tasks.train.engine.table import spaces
from tasks.worlds import World


@dataclass(frozen=True)
class Cloned:
    """How is learned and tested; see params/beds/qdc_metrics.yaml."""

    seeds: tuple[int, ...]
    updates: int
    batch: int
    hidden: tuple[int, ...]
    rate: float


def hindsight(folder: Path, world: World) -> Transitions:
    """A dataset whose observations end with the goal its episode reached, (O + 2,)."""
    data, (episodes, _) = load_transitions(folder), load_episodes(folder)
    measures = Measures(world)
    ends = measures.units(measures.of(episodes))[data.episode].astype(np.float32)

    def joined(seen: Array, goal: Array) -> Array:
        return np.concatenate([seen, goal], axis=-1).astype(np.float32)

    spread = divisor(ends.std(0), np.abs(ends).max(0))
    return replace(
        data,
        observation=joined(data.observation, ends),
        next_observation=joined(data.next_observation, ends),
        observation_mean=joined(data.observation_mean, ends.mean(0)),
        observation_std=joined(data.observation_std, spread),
    )


def cloned(data: Transitions, given: Cloned, report: Report) -> Feedforward:
    """Behaviour cloning as the learner ``bc`` does it, all seeds in one stack."""
    params = CloningParams(actor_hidden=given.hidden, actor_rate=given.rate)
    learner = Cloning(params, spaces(data), given.seeds, given.updates)

    def say(done: int, _: Mapping[str, float]) -> None:
        report(done / given.updates)

    train(learner, data, given.updates, given.batch, report=say)
    policy = learner.policy()
    assert isinstance(policy, Feedforward)  # noqa: S101  # of continuous actions
    return policy


def played(
    policy: Feedforward, goals: Doubles, world: World, seed: int
) -> dict[str, Any]:
    """One episode a seed of the policy and goal.

    Args:
        policy: S of them, told x and y of the goal last.
        goals: (G, 2), m.
        world: Where.
        seed: Goal g begins where every policy's goal g begins.

    Returns:
        ``distance`` from goal to end, m; ``still``, from goal to start; ``return``,
        units of the world; (S, G) each.
    """
    shape, measures = (policy.seeds, len(goals)), Measures(world)
    starts = [seed_of(seed, "test", g) for g in range(len(goals))] * policy.seeds
    places = torch.from_numpy(goals).float().expand(policy.seeds, -1, -1)
    arena = Arena(world, len(starts))

    def make(_: slice) -> Act:
        def act(observation: Array) -> Array:
            seen = torch.from_numpy(observation).view(*shape, -1)
            return _acted(policy, torch.cat([seen, places], -1))

        return act

    episodes = arena.play(make, starts, "test")
    arena.batch.close()
    end = measures.units(measures.of(episodes)).reshape(*shape, 2)
    start = np.stack([e.infos["qpos"][0, :2] for e in episodes]).reshape(*shape, 2)
    tables: Mapping[str, Doubles] = {
        "distance": np.linalg.norm(end - goals, axis=-1),
        "still": np.linalg.norm(start - goals, axis=-1),
        "return": np.array([episode.ret for episode in episodes]).reshape(shape),
    }
    return {name: values.tolist() for name, values in tables.items()}


def _acted(policy: Feedforward, seen: Tensor) -> Array:
    """Actions (S * G, A) in [-1, 1] of observations with goals (S, G, O + 2)."""
    with torch.no_grad():
        acted: Array = policy.squashed(policy.normalise(seen)).flatten(0, 1).numpy()
    return acted
