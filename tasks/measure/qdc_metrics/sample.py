"""Reading equal shares of datasets: the same number of episodes and of steps of each.

Diversity grows with how much one looks at, so a larger dataset would win by its size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.actions import action_bounds
from tasks.artifacts.density import scaled
from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.minari import actions, box, read_episodes
from tasks.artifacts.opening import MAIN, open_dataset
from tasks.artifacts.readings import COLUMNS, steps
from tasks.artifacts.recorded import read_world
from tasks.artifacts.transitions import divisor
from tasks.measure.qdc_metrics.embedding import FLOOR, Reference, features
from tasks.measure.qdc_metrics.figures import Doubles

STATES = 50  # of an episode, that the union's axes are fitted on
LEAST = 10  # episodes, below which nothing can be said of diversity


@dataclass(frozen=True)
class Source:
    """A dataset that was opened and not yet read.

    Attributes:
        name: Without version.
        file: main_data.hdf5.
        observations: Its space.
        actions: Its space.
        episodes: How many there are.
        steps: How many there are.
        sha256: Of the file.
        world: The block ``world`` of world.json.
    """

    name: str
    file: Path
    observations: Box
    actions: Box | Discrete
    episodes: int
    steps: int
    sha256: str
    world: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Source":
        """Check a dataset's hash and read what it says of itself.

        Raises:
            RefusedError: If it is not what its card says, or too small.
        """
        name = folder.name.removesuffix("-v0")
        card, metadata = open_dataset(folder)
        if card["episodes"] < LEAST:
            raise RefusedError(
                folder,
                "episodes",
                card["episodes"],
                f"at least {LEAST}, as diversity is of many",
                "collect more, or take it off study.measured",
            )
        return cls(
            name=name,
            file=folder / MAIN,
            observations=box(folder, metadata, "observation_space"),
            actions=actions(folder, metadata),
            episodes=int(card["episodes"]),
            steps=int(card["steps"]),
            sha256=str(card["sha256"]),
            world=dict(read_world(folder)["world"]),
        )

    @property
    def spaces(self) -> tuple[Any, ...]:
        """What must be equal in datasets that are compared."""
        kind = int(self.actions.n) if isinstance(self.actions, Discrete) else 0
        return self.observations.shape, kind or self.actions.shape

    @property
    def references(self) -> tuple[float, float] | None:
        """Returns of score 0 and 100, or None where nobody measured them."""
        low, high = self.world.get("ref_min"), self.world.get("ref_max")
        return None if low is None or high is None else (float(low), float(high))

    def order(self, seed: int) -> NDArray[np.int64]:
        """Numbers of its episodes, shuffled."""
        return np.random.default_rng([seed, self.episodes]).permutation(self.episodes)

    def flat(self, episode: Episode) -> tuple[Doubles, Doubles]:
        """Observations (T+1, O), units of the world, and actions (T, A) in [-1, 1].

        As they are read, which in a corrupted dataset is not what happened; the last
        observation is the next one of the last step.
        """
        low, high = action_bounds(self.actions)
        read = steps(episode, self.actions)
        seen = np.concatenate([read.observation, read.next_observation[-1:]])
        return seen.astype(np.float64), scaled(read.action, low, high)


def check_finite(source: Source, episode: Episode, number: int) -> None:
    """Refuse numbers nobody can compute with.

    Raises:
        RefusedError: With how many there are in which field.
    """
    fields = {n: getattr(episode, n) for n in ("observations", "actions", "rewards")}
    fields |= {n: episode.infos[n] for n in COLUMNS.values() if n in episode.infos}
    for name, values in fields.items():
        if count := int((~np.isfinite(values)).sum()):
            raise RefusedError(
                source.file,
                f"episode {number}, {name}",
                f"{count} numbers that are not finite",
                "none",
                "drop or mend that episode and write the dataset again",
            )


def sampled(source: Source, count: int, seed: int) -> tuple[list[Episode], Doubles]:
    """Some episodes of a dataset, and up to 50 states of each, (k, O)."""
    episodes, states = [], []
    picked = source.order(seed)[:count].tolist()
    for number, episode in zip(picked, read_episodes(source.file, picked), strict=True):
        check_finite(source, episode, number)
        episodes.append(episode)
        seen = source.flat(episode)[0]
        at = np.linspace(0, len(seen) - 1, min(STATES, len(seen))).astype(np.int64)
        states.append(seen[at])
    return episodes, np.concatenate(states)


def reference(
    known: Sequence[Sequence[float]] | None, states: Sequence[Doubles], where: object
) -> Reference:
    """What a world's observations are standardised by.

    Args:
        known: Mean and deviation (O,) of params; None where they have none.
        states: (k, O) of each compared dataset, taken where there is none.
        where: The world, for errors.

    Raises:
        RefusedError: If params speak of another number of observations.
    """
    together = np.concatenate(states)
    if known is None:
        std = divisor(together.std(0), np.abs(together).max(0))
        return Reference(together.mean(0), std, "union")
    mean, std = (np.array(values, np.float64) for values in known)
    if mean.shape != (together.shape[1],):
        raise RefusedError(
            "params.yaml",
            f"measure.qdc_metrics.reference.{where}",
            f"{len(mean)} observations",
            f"{together.shape[1]}",
            "measure it again with: python -m tasks.measure --reference",
        )
    return Reference(mean, np.maximum(std, FLOOR), "params")


def points(source: Source, episodes: Sequence[Episode], by: Reference) -> Doubles:
    """The embedding of episodes, (n, F), before principal axes."""
    rows = []
    for episode in episodes:
        seen, acted = source.flat(episode)
        rows.append(features(by(seen), acted))
    return np.stack(rows)


def walk(
    source: Source, n_episodes: int, n_steps: int, seed: int
) -> Iterator[tuple[int, Episode, Episode | None]]:
    """A dataset's share, one episode at a time.

    Yields:
        Its number; the episode; and the part of it that counts among the steps, with
        all its infos: whole, cut where the steps are enough, or None after that. The
        first ``n_episodes`` count as episodes; more come only if steps lack.
    """
    order = source.order(seed).tolist()
    left, at = n_steps, 0
    for number, episode in zip(
        order, read_episodes(source.file, order, None), strict=True
    ):
        if left <= 0:
            break
        check_finite(source, episode, number)
        yield number, episode, cut(episode, left)
        left, at = left - len(episode), at + 1
    rest = order[at:n_episodes]
    for number, episode in zip(rest, read_episodes(source.file, rest), strict=True):
        check_finite(source, episode, number)
        yield number, episode, None


def cut(episode: Episode, steps: int) -> Episode:
    """The first steps of an episode; truncated where that leaves some out."""
    if len(episode) <= steps:
        return episode
    end = np.arange(steps) == steps - 1
    return replace(
        episode,
        observations=episode.observations[: steps + 1],
        actions=episode.actions[:steps],
        rewards=episode.rewards[:steps],
        terminations=np.zeros(steps, bool),
        truncations=end,
        infos={name: value[: steps + 1] for name, value in episode.infos.items()},
    )
