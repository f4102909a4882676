"""Episodes as arrays, and the checks they pass before anything is written or used."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray

from tasks.artifacts.actions import check_choices
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.readings import widths

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

FLAGS = ("terminations", "truncations")
MEND = "drop or mend that episode and write the dataset again"


@dataclass(frozen=True)
class Episode:
    """One episode of T steps.

    | field | shape | |
    |---|---|---|
    | observations | (T+1, O) | the last one is the true next observation |
    | actions | (T, A), or (T,) int64 | inside the bounds, or one of 0..A-1 |
    | rewards | (T,) | reward of row t follows action t, units of the world |
    | terminations | (T,) bool | only the last may be set: the task ended |
    | truncations | (T,) bool | only the last may be set: time ran out |
    | infos | (T+1, ...) each | the simulator's state, e.g. qpos and qvel |

    Exactly one of the two end flags of the last step is set.

    ``infos["legal"]``, (T+1, A), is a discrete world's mask, 1.0 where an action is
    allowed. Corrupted fields of a step stand in infos too (``readings.py``).

    Attributes:
        seed: Start seed of the world; -1 if unknown.
        source: Name of the policy that acted.
        metadata: What else is known of it, by name: numbers, text, arrays.
    """

    observations: Floats
    actions: Floats | NDArray[np.int64]
    rewards: Floats
    terminations: Flags
    truncations: Flags
    infos: Mapping[str, Floats] = field(default_factory=dict)
    seed: int = -1
    source: str = "unknown"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """T."""
        return len(self.rewards)

    @property
    def ret(self) -> float:
        """Undiscounted return, units of the world."""
        return float(np.sum(self.rewards, dtype=np.float64))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = [self.observations, self.actions, self.rewards, *self.infos.values()]
        return sum(a.nbytes for a in arrays) + 2 * len(self)


def check_episodes(
    episodes: Sequence[Episode],
    observation_space: Space[Any],
    action_space: Space[Any],
    where: object,
) -> None:
    """Refuse episodes no later stage could believe.

    Args:
        episodes: At least one.
        observation_space: A Box; observations must lie in it.
        action_space: A Box, or a Discrete space; actions must lie in it.
        where: File or dataset, for errors.

    Raises:
        RefusedError: For any of the reasons :func:`checked` lists.
    """
    for _ in checked(episodes, observation_space, action_space, where):
        pass


def checked(
    episodes: Iterable[Episode],
    observation_space: Space[Any],
    action_space: Space[Any],
    where: object,
) -> Iterator[Episode]:
    """Pass episodes on, one at a time, unless no later stage could believe them.

    Warns, by :mod:`warnings`, when all rewards are equal and when two episodes are the
    same.

    Args:
        episodes: At least one.
        observation_space: A Box; observations must lie in it.
        action_space: A Box, or a Discrete space; actions must lie in it.
        where: File or dataset, for errors.

    Raises:
        RefusedError: On NaN or infinity, a wrong shape, a value outside its space, an
            action its mask forbids, a mask without a legal action, a missing final
            observation, an empty episode, or end flags that do not say
            how the episode ended. Names episode, step and field.
    """
    if not isinstance(observation_space, Box) or not isinstance(
        action_space, Box | Discrete
    ):
        raise RefusedError(
            where,
            "spaces",
            f"{observation_space} and {action_space}",
            "a Box of observations, a Box or Discrete space of actions",
            "flatten observations and actions first",
        )
    numbers: dict[bytes, int] = {}  # of the first episode with a digest
    same: list[tuple[int, int]] = []
    rewards: set[float] = set()
    ends = False  # where an episode terminates, their lengths tell good from bad
    for number, episode in enumerate(episodes):
        _check_shapes(number, episode, observation_space, action_space, where)
        _check_values(number, episode, observation_space, action_space, where)
        if isinstance(action_space, Discrete):
            legal = episode.infos.get("legal")
            check_choices(episode.actions, int(action_space.n), legal, number, where)
        _check_end(number, episode, where)
        ends |= bool(episode.terminations[-1])
        if len(rewards) < 2:  # more than one says enough
            rewards |= {float(episode.rewards.min()), float(episode.rewards.max())}
        other = numbers.setdefault(_digest(episode), number)
        if other != number:
            same.append((number, other))
        yield episode
    if not numbers:
        raise RefusedError(
            where, "episodes", "none", "at least one", "collect some experience"
        )
    if len(rewards) == 1 and not ends:
        warnings.warn(
            f"{where}: rewards: all equal {rewards.pop()}; "
            "no learner can tell good from bad",
            stacklevel=3,
        )
    for number, other in same:
        warnings.warn(
            f"{where}: episode {number} is the same as episode {other}", stacklevel=3
        )


def _check_shapes(
    number: int,
    episode: Episode,
    observations: Box,
    actions: Box | Discrete,
    where: object,
) -> None:
    """Refuse an array that has not the shape the table of :class:`Episode` says."""
    steps = len(episode)
    if steps == 0:
        raise RefusedError(
            where, f"episode {number}, rewards", "0 steps", "at least 1", MEND
        )
    if len(episode.observations) == steps:
        raise RefusedError(
            where,
            f"episode {number}, step {steps}, observations",
            f"{steps} rows, so the final observation is missing",
            f"{steps + 1} rows",
            "store the observation that followed the last action",
        )
    shapes: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "observations": (episode.observations, (steps + 1, *observations.shape)),
        "actions": (episode.actions, (steps, *(actions.shape or ()))),
        "rewards": (episode.rewards, (steps,)),
        "terminations": (episode.terminations, (steps,)),
        "truncations": (episode.truncations, (steps,)),
    }
    for name, values in episode.infos.items():
        shapes[f"infos/{name}"] = (values, (steps + 1, *values.shape[1:]))
    if isinstance(actions, Discrete) and "legal" in episode.infos:
        shapes["infos/legal"] = (episode.infos["legal"], (steps + 1, int(actions.n)))
    n = int(actions.n if isinstance(actions, Discrete) else np.prod(actions.shape))
    for name, rest in widths(int(np.prod(observations.shape)), n).items():
        if name in episode.infos:
            shapes[f"infos/{name}"] = (episode.infos[name], (steps + 1, *rest))
    for name, (values, shape) in shapes.items():
        kinds = "biu" if name in FLAGS else "fiub" if "infos/" in name else "fiu"
        if values.dtype.kind not in kinds:
            raise RefusedError(
                where,
                f"episode {number}, step 0, {name}",
                f"type {values.dtype}",
                "true or false" if name in FLAGS else "real or whole numbers",
                MEND,
            )
        if values.shape != shape:
            raise RefusedError(
                where,
                f"episode {number}, step 0, {name}",
                f"shape {values.shape}",
                f"shape {shape}",
                MEND,
            )


def _check_values(
    number: int,
    episode: Episode,
    observations: Box,
    actions: Box | Discrete,
    where: object,
) -> None:
    """Refuse a number that is not finite or outside its space."""
    fields: dict[str, NDArray[Any]] = {
        "observations": episode.observations,
        "actions": episode.actions,
        "rewards": episode.rewards,
    }
    fields |= {f"infos/{name}": values for name, values in episode.infos.items()}
    for name, values in fields.items():
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32, copy=False))
        if not finite.all():
            at = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise RefusedError(
                where,
                f"episode {number}, step {at[0]}, {name}",
                values[at],
                "a finite number of float32's range",
                MEND,
            )
    bounded = [("observations", episode.observations, observations)]
    if isinstance(actions, Box):
        bounded.append(("actions", cast(Floats, episode.actions), actions))
    for name, values, space in bounded:
        outside = (values < space.low) | (values > space.high)
        if outside.any():
            at = tuple(int(i) for i in np.argwhere(outside)[0])
            low, high = space.low[at[1:]], space.high[at[1:]]
            raise RefusedError(
                where,
                f"episode {number}, step {at[0]}, {name}",
                f"{values[at]} in column {at[1:][0] if at[1:] else 0}",
                f"{low} to {high}",
                "clip it or mend the space",
            )


def _check_end(number: int, episode: Episode, where: object) -> None:
    """Refuse end flags unless exactly one is set, at the last step."""
    stored = np.stack([episode.terminations, episode.truncations])
    flags = stored.astype(bool)
    if (stored != flags).any():
        step = int(np.argwhere(stored != flags)[0][1])
        field = f"episode {number}, step {step}, terminations/truncations"
        found = stored[:, step].tolist()
        raise RefusedError(where, field, found, "true or false, 1 or 0", MEND)
    early = flags[:, :-1].any(axis=0)
    if early.any():
        step = int(np.flatnonzero(early)[0])
        raise RefusedError(
            where,
            f"episode {number}, step {step}, terminations/truncations",
            "an end flag before the last step",
            "flags at the last step only",
            "split the episode there",
        )
    if flags[:, -1].sum() != 1:
        raise RefusedError(
            where,
            f"episode {number}, step {len(episode) - 1}, terminations/truncations",
            "both set" if flags[:, -1].all() else "neither set",
            "exactly one at the last step",
            "say whether the task ended or the time ran out",
        )


def _digest(episode: Episode) -> bytes:
    """A hash of observations and actions: the same of episodes that are the same."""
    digest = hashlib.blake2b(np.ascontiguousarray(episode.observations).data)
    digest.update(np.ascontiguousarray(episode.actions).data)
    return digest.digest()
