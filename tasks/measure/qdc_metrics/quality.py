"""Quality of logged experience: what it earned, and whether it can have happened.

Shapes: n episodes, N transitions, O observation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from tasks.artifacts.episodes import Episode
from tasks.artifacts.readings import COLUMNS, MASK, steps
from tasks.measure.qdc_metrics.embedding import Reference
from tasks.measure.qdc_metrics.figures import Bootstrap, Doubles, Measure, unavailable
from tasks.measure.qdc_metrics.sample import Source
from tasks.worlds import World

TOP = 0.1  # share of episodes that are the best
GROUND, ATTRIBUTE = "ground truth", "attribute"
NO_REFERENCE = "the world has no reference scores"
NOT_STATE = (
    "legal",
    "log_prob",
    MASK,
    *COLUMNS.values(),
)  # infos that are no part of a simulator's state
TOGETHER = 8  # sub-environments that re-simulate


def scores(returns: Doubles, references: tuple[float, float] | None) -> Doubles | None:
    """Returns (n,) from 0, random, to 100, best behaviour; None without references."""
    if references is None:
        return None
    low, high = references
    return np.asarray(100 * (returns - low) / (high - low))


def earned(
    score: Doubles | None, success: float, boot: Bootstrap
) -> dict[str, Measure]:
    """Score, that of the best tenth, share of episodes with at least ``success``."""
    if score is None:
        names = ("score", "top", "success")
        return {name: unavailable(GROUND, NO_REFERENCE) for name in names}
    won = (score >= success).astype(np.float64)
    return {
        "score": boot.mean(score, GROUND),
        "top": boot.best(score, TOP, GROUND),
        "success": boot.mean(won, GROUND, ends=(0.0, 1.0)),
    }


def inside(source: Source, episode: Episode) -> int:
    """Transitions of an episode whose observations and action lie in their spaces."""
    read, acts = steps(episode, source.actions), source.actions
    low, high = source.observations.low.ravel(), source.observations.high.ravel()
    good = np.ones(len(episode), bool)
    for seen in (read.observation, read.next_observation):
        good &= ((seen >= low) & (seen <= high)).all(1)
    if isinstance(acts, Discrete):
        whole = ((read.action == 0) | (read.action == 1)).all(1)
        good &= whole & (read.action.sum(1) == 1)
    else:
        within = (read.action >= acts.low.ravel()) & (read.action <= acts.high.ravel())
        good &= within.all(1)
    return int(good.sum())


@dataclass(frozen=True)
class Replayed:
    """Transitions that the world played again.

    Attributes:
        episode: (N,), which episode of the sample each one is of.
        residual: (N,), the largest difference of an observation, before or after the
            step, in deviations of the reference.
        reward: (N,), difference of the reward, units of the world.
    """

    episode: Doubles
    residual: Doubles
    reward: Doubles


def replay(
    world: World,
    episodes: Sequence[Episode],
    by: Reference,
    count: int,
    generator: np.random.Generator,
) -> Replayed | str:
    """Put the world into logged states, take the logged actions, look what follows.

    Args:
        world: Where they were recorded.
        episodes: With the simulator's state in their infos.
        by: Scale of observations.
        count: Transitions, drawn evenly from all.
        generator: Draws them.

    Returns:
        What came of it, or why the world cannot be asked.
    """
    names = [n for n in episodes[0].infos if n not in NOT_STATE]
    if not names:
        return "the dataset has no states of the simulator"
    if not world.playable:
        return f"{world.params.name} is known from logs alone"
    batch = world.make(TOGETHER)
    if not hasattr(batch, "reset_to"):
        batch.close()
        return f"{world.params.name} has no reset_to"
    lengths = np.array([len(e) for e in episodes])
    drawn = np.sort(generator.integers(0, lengths.sum(), count))
    owner = np.searchsorted(np.cumsum(lengths), drawn, side="right")
    step = drawn - (np.cumsum(lengths) - lengths)[owner]
    residual, reward = np.zeros(count), np.zeros(count)
    logs = [steps(episode, world.action_space) for episode in episodes]
    for first in range(0, count, TOGETHER):
        rows = np.minimum(np.arange(first, first + TOGETHER), count - 1)
        pairs = [(int(owner[r]), int(step[r])) for r in rows]

        def at(name: str, pairs: Any = pairs) -> Any:
            return np.stack([getattr(logs[k], name)[t] for k, t in pairs])

        begun = np.array(
            batch.reset_to(
                {
                    n: np.stack([episodes[k].infos[n][t] for k, t in pairs])
                    for n in names
                }
            )
        )
        acted = at("action")
        if world.discrete:
            acted = acted.argmax(1)
        seen, paid, *_ = batch.step(acted.reshape(batch.action_space.shape))
        off = np.zeros(TOGETHER)
        for again, logged in (
            (begun, at("observation")),
            (seen, at("next_observation")),
        ):
            flat = (np.float64(v).reshape(TOGETHER, -1) for v in (again, logged))
            off = np.maximum(off, np.abs(np.subtract(*map(by, flat))).max(1))
        residual[rows] = off
        reward[rows] = np.abs(paid - at("reward"))
    batch.close()
    return Replayed(owner.astype(np.float64), residual, reward)


def dynamics(
    played: Replayed | str, tolerance: float, boot_of: Any
) -> tuple[Measure, Measure]:
    """Share of transitions whose observation, and whose reward, the world gives again.

    Args:
        played: Of :func:`replay`.
        tolerance: Deviations of the reference; of a reward, units of the world.
        boot_of: Makes a bootstrap of so many transitions.
    """
    if isinstance(played, str):
        return unavailable(GROUND, played), unavailable(GROUND, played)
    boot: Bootstrap = boot_of(len(played.residual))
    ends = {"ends": (0.0, 1.0)}
    return (
        boot.mean((played.residual <= tolerance).astype(np.float64), GROUND, **ends),
        boot.mean((played.reward <= tolerance).astype(np.float64), GROUND, **ends),
    )
