"""A dataset as an exporter takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.dataset import load_episodes
from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.minari import actions
from tasks.artifacts.opening import open_dataset
from tasks.artifacts.readings import COLUMNS, MASK
from tasks.artifacts.recorded import read_world

FEW = 10  # names listed


@dataclass(frozen=True)
class Whole:
    """E episodes of N steps.

    Attributes:
        name: Of the dataset, without version.
        episodes: In order.
        space: Of actions.
        step_seconds: Control step, seconds.
    """

    name: str
    episodes: list[Episode]
    space: Box | Discrete
    step_seconds: float

    def steps(self, part: Callable[[Episode], NDArray[Any]]) -> NDArray[Any]:
        """A part of all episodes, one after the other."""
        return np.concatenate([part(episode) for episode in self.episodes])

    def info(self, name: str, rows: slice = slice(None)) -> NDArray[Any]:
        """Some rows of an info of all episodes, one after the other."""
        return self.steps(lambda episode: episode.infos[name][rows])

    @property
    def infos(self) -> list[str]:
        """Names of infos that every episode has."""
        names = set(self.episodes[0].infos)
        for episode in self.episodes:
            names &= set(episode.infos)
        return sorted(names)

    def lost(self, *kept: str) -> list[str]:
        """What a format does not hold, in words.

        Args:
            *kept: Names of the infos that it does.
        """
        words = []
        if any(episode.seed >= 0 for episode in self.episodes):
            words.append("start seeds")
        sources = sorted({episode.source for episode in self.episodes})
        more = sorted({key for episode in self.episodes for key in episode.metadata})
        for kind, names in (
            ("sources", sources),
            ("metadata", more),
            ("infos", sorted(set(self.infos) - set(kept))),
        ):
            if names:
                rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
                words.append(f"{kind} ({', '.join(names[:FEW])}{rest})")
        return words

    def flattened(self) -> list[str]:
        """That an observation of several axes becomes one, in words."""
        shape = self.episodes[0].observations.shape[1:]
        return [f"the shape {shape} of observations"] if len(shape) > 1 else []

    def options(self, *kept: str) -> str:
        """What an import has to be told again, as OPTIONS of ``make import``."""
        words = [f"discrete_actions={getattr(self.space, 'n', 0)}"]
        if isinstance(self.space, Box):
            ends = {"low": self.space.low, "high": self.space.high}
            words = [f"action_{end}={_listed(values)}" for end, values in ends.items()]
        words.append(f"step_seconds={self.step_seconds:.9g}")
        if "log_prob" in kept:
            words.append("log_prob=scaled")
        return " ".join(words)


def _listed(values: NDArray[Any]) -> str:
    return f"[{','.join(f'{value:.9g}' for value in values.ravel())}]"


def load(folder: Path) -> Whole:
    """Read a dataset.

    Raises:
        RefusedError: If it is damaged, or holds what was read of a step beside what
            happened, for which no other format has a place.
    """
    if not folder.is_dir():
        mend = f"name a dataset of {folder.parent}, e.g. one that dvc repro made"
        raise RefusedError(folder, "dataset", "nothing", "a dataset", mend)
    _, metadata = open_dataset(folder)
    episodes, _ = load_episodes(folder)
    held = sorted({*COLUMNS.values(), MASK} & {n for e in episodes for n in e.infos})
    if held:
        found = f"a corrupted one, with {', '.join(held)}"
        expected = "one whose steps are read as they happened"
        mend = "export the dataset that it was made of"
        raise RefusedError(folder, "infos", found, expected, mend)
    seconds = float(read_world(folder)["step_seconds"])
    name = folder.name.rpartition("-v")[0]
    return Whole(name, episodes, actions(folder, metadata), seconds)


def padded(values: NDArray[Any], fill: object = None) -> NDArray[Any]:
    """T rows and one more that means nothing: the last one again, or a filling."""
    return np.concatenate([values, values[-1:] if fill is None else [fill]])
