"""Quality of logged experience: what it earned, and whether it can have happened.

Shapes: n episodes, N transitions, O observation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete

from tasks.artifacts.episodes import Episode
from tasks.report._embedding import Reference
from tasks.report._measures import Bootstrap, Doubles, Measure, unavailable
from tasks.report._sample import Source
from tasks.worlds import World

TOP = 0.1  # share of episodes that are the best
GROUND, ATTRIBUTE = "ground truth", "attribute"
NO_REFERENCE = "the world has no reference scores"
NOT_STATE = ("legal", "log_prob")  # infos that are no part of a simulator's state
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
    seen = episode.observations
    space, acts = source.observations, source.actions
    fits = np.asarray((seen >= space.low) & (seen <= space.high))
    good = np.asarray(fits.reshape(len(seen), -1).all(1))
    if isinstance(acts, Discrete):
        allowed = np.asarray((episode.actions >= 0) & (episode.actions < acts.n))
    elif isinstance(acts, Box):
        within = (episode.actions >= acts.low) & (episode.actions <= acts.high)
        allowed = np.asarray(within.reshape(len(episode), -1).all(1))
    return int((good[:-1] & good[1:] & allowed).sum())


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
    batch = world.make(TOGETHER)
    if not hasattr(batch, "reset_to"):
        batch.close()
        return f"{world.params.name} has no reset_to"
    lengths = np.array([len(e) for e in episodes])
    drawn = np.sort(generator.integers(0, lengths.sum(), count))
    owner = np.searchsorted(np.cumsum(lengths), drawn, side="right")
    step = drawn - (np.cumsum(lengths) - lengths)[owner]
    residual, reward = np.zeros(count), np.zeros(count)
    for first in range(0, count, TOGETHER):
        rows = np.minimum(np.arange(first, first + TOGETHER), count - 1)
        pairs = [(episodes[owner[r]], int(step[r])) for r in rows]

        def at(name: str, later: int, pairs: Any = pairs) -> Any:
            return np.stack([getattr(e, name)[t + later] for e, t in pairs])

        state = {n: np.stack([e.infos[n][t] for e, t in pairs]) for n in names}
        begun = np.array(batch.reset_to(state))
        seen, earned_, *_ = batch.step(at("actions", 0))
        off = np.zeros(TOGETHER)
        for found, told in (
            (begun, at("observations", 0)),
            (seen, at("observations", 1)),
        ):
            flat = (np.float64(v).reshape(TOGETHER, -1) for v in (found, told))
            apart = np.abs(np.subtract(*map(by, flat)))
            off = np.maximum(off, apart.max(1))
        residual[rows] = off
        reward[rows] = np.abs(earned_ - at("rewards", 0))
    batch.close()
    return Replayed(owner.astype(np.float64), residual, reward)


def dynamics(
    found: Replayed | str, tolerance: float, boot_of: Any
) -> tuple[Measure, Measure]:
    """Share of transitions whose observation, and whose reward, the world gives again.

    Args:
        found: Of :func:`replay`.
        tolerance: Deviations of the reference; of a reward, units of the world.
        boot_of: Makes a bootstrap of so many transitions.
    """
    if isinstance(found, str):
        return unavailable(GROUND, found), unavailable(GROUND, found)
    boot: Bootstrap = boot_of(len(found.residual))
    ends = {"ends": (0.0, 1.0)}
    return (
        boot.mean((found.residual <= tolerance).astype(np.float64), GROUND, **ends),
        boot.mean((found.reward <= tolerance).astype(np.float64), GROUND, **ends),
    )
