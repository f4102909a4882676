"""Episodes as arrays, and the checks they pass before anything is written or used."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.masks import check_legal

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

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

    ``infos["legal"]``, (T+1, A), is a discrete world's mask, 1.0 where an action is
    allowed.

    Exactly one of the two end flags of the last step is set.

    Attributes:
        seed: Start seed of the world; -1 if unknown.
        source: Name of the policy that acted.
    """

    observations: Floats
    actions: Floats | NDArray[np.int64]
    rewards: Floats
    terminations: Flags
    truncations: Flags
    infos: Mapping[str, Floats] = field(default_factory=dict)
    seed: int = -1
    source: str = "unknown"

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


def action_bounds(space: Box | Discrete) -> tuple[Floats, Floats]:
    """Lowest and highest action, (A,) each; 0 and 1 of one-hot discrete ones."""
    if isinstance(space, Discrete):
        return np.zeros(space.n, np.float32), np.ones(space.n, np.float32)
    return cast(Floats, space.low), cast(Floats, space.high)


def flat_actions(values: NDArray[Any], space: Box | Discrete) -> NDArray[np.float32]:
    """(N, ...) actions as (N, A), discrete ones one-hot."""
    if isinstance(space, Discrete):
        return np.eye(int(space.n), dtype=np.float32)[values]
    return values.reshape(len(values), -1).astype(np.float32)


def check_episodes(
    episodes: Sequence[Episode],
    observation_space: Space[Any],
    action_space: Space[Any],
    where: object,
) -> None:
    """Refuse episodes no later stage could believe.

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
    if not episodes:
        raise RefusedError(
            where, "episodes", "none", "at least one", "collect some experience"
        )
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
    for number, episode in enumerate(episodes):
        _check_shapes(number, episode, observation_space, action_space, where)
        _check_values(number, episode, observation_space, action_space, where)
        if isinstance(action_space, Discrete):
            _check_choices(number, episode, action_space, where)
        _check_end(number, episode, where)
    _warn_equal_rewards(episodes, where)
    _warn_duplicates(episodes, where)


def _check_shapes(
    number: int,
    episode: Episode,
    observations: Box,
    actions: Box | Discrete,
    where: object,
) -> None:
    """Every array has the length and width its field's table says."""
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
    for name, (found, shape) in shapes.items():
        if found.shape != shape:
            raise RefusedError(
                where,
                f"episode {number}, step 0, {name}",
                f"shape {found.shape}",
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
    """Every number is finite and inside its space."""
    fields: dict[str, NDArray[Any]] = {
        "observations": episode.observations,
        "actions": episode.actions,
        "rewards": episode.rewards,
    }
    fields |= {f"infos/{name}": values for name, values in episode.infos.items()}
    for name, values in fields.items():
        finite = np.isfinite(values)
        if not finite.all():
            at = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise RefusedError(
                where,
                f"episode {number}, step {at[0]}, {name}",
                values[at],
                "a finite number",
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


def _check_choices(
    number: int, episode: Episode, actions: Discrete, where: object
) -> None:
    """Discrete actions are whole, in range and allowed by the mask."""
    found, count = episode.actions, int(actions.n)
    if not np.issubdtype(found.dtype, np.integer):
        raise RefusedError(
            where,
            f"episode {number}, step 0, actions",
            f"type {found.dtype}",
            "whole numbers (int64)",
            "store the number of each action",
        )
    wrong = (found < 0) | (found >= count)
    legal = episode.infos.get("legal")
    if legal is not None and not wrong.any():
        check_legal(legal, where, f"episode {number}, infos/legal")
        wrong = legal[np.arange(len(found)), found] <= 0.5
    if wrong.any():
        step = int(np.flatnonzero(wrong)[0])
        masked = legal is not None and 0 <= found[step] < count
        raise RefusedError(
            where,
            f"episode {number}, step {step}, actions",
            f"{found[step]}, which the mask forbids" if masked else found[step],
            "an allowed action" if masked else f"0 to {count - 1}",
            "mend the log, or the mask" if masked else "mend the log, or the space",
        )


def _check_end(number: int, episode: Episode, where: object) -> None:
    """One end flag, at the last step only."""
    flags = np.stack([episode.terminations, episode.truncations]).astype(bool)
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


def _warn_equal_rewards(episodes: Sequence[Episode], where: object) -> None:
    first = episodes[0].rewards[0]
    ends = any(episode.terminations.any() for episode in episodes)  # lengths tell then
    if not ends and all((episode.rewards == first).all() for episode in episodes):
        warnings.warn(
            f"{where}: rewards: all equal {first}; no learner can tell good from bad",
            stacklevel=3,
        )


def _warn_duplicates(episodes: Sequence[Episode], where: object) -> None:
    seen: dict[bytes, int] = {}
    for number, episode in enumerate(episodes):
        digest = hashlib.blake2b(np.ascontiguousarray(episode.observations).data)
        digest.update(np.ascontiguousarray(episode.actions).data)
        other = seen.setdefault(digest.digest(), number)
        if other != number:
            warnings.warn(
                f"{where}: episode {number} is the same as episode {other}",
                stacklevel=3,
            )
