"""A whole source: which of its episodes, within which bounds, for which world."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.columns import Columns, again
from tasks.generate.imported.logs import Log, Logs, Options

if TYPE_CHECKING:
    from tasks.worlds import World


@dataclass(frozen=True)
class Brought:
    """A source, by the rules.

    Attributes:
        episodes: In the source's order.
        observation_space: One axis unless the world has more; all of them lie in it.
        action_space: One axis, finite bounds, or choices from 0 on.
        notes: What was guessed, clipped, left out, in words.
    """

    episodes: list[Episode]
    observation_space: Box
    action_space: Box | Discrete
    notes: list[str]


def chosen(episodes: Iterable[Log], options: Options, source: object) -> Iterator[Log]:
    """The episodes of the range that the options name."""
    first, colon, last = options.episodes.partition(":")
    if options.episodes and not (
        colon and all(not end or end.isdecimal() for end in (first, last))
    ):
        expected, mend = "A:B, two whole numbers", again("episodes=0:100")
        raise RefusedError(source, "episodes", repr(options.episodes), expected, mend)
    return islice(episodes, int(first or 0), int(last) if last else None)


def widened(
    columns: Columns,
    observed: Box | None,
    rows: NDArray[Any],
    shift: NDArray[np.float64],
    counts: Counter[str],
) -> Box:
    """The world's bounds or the source's, moved out to what there is beyond them."""
    dtype = rows.dtype.type  # before they are compared: 0.1 is another number there
    low: NDArray[Any] = columns.low - shift
    high: NDArray[Any] = columns.high - shift
    if observed is not None and observed.low.size == low.size:
        low, high = observed.low.ravel(), observed.high.ravel()
    low, high = low.astype(dtype), high.astype(dtype)
    outside = ((rows < low) | (rows > high)).sum(axis=0)
    for column in np.flatnonzero(outside):
        text = f"observations: column {column}, numbers beyond the stated bounds"
        counts[text] += int(outside[column])
    low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
    return Box(low, high, dtype=dtype)


def typed(episode: Episode, dtype: Any) -> Episode:
    """An episode whose observations are of a type."""
    return replace(episode, observations=episode.observations.astype(dtype, copy=False))


def fitted(
    brought: Brought, logs: Logs, source: object, world: "World | None"
) -> Brought:
    """Compare a source with the world it is for, and give it the world's shape."""
    stated = getattr(world, "observation_space", None)
    if world is None or stated is None:
        return brought
    space, width = brought.observation_space, int(np.prod(stated.shape))
    if space.shape[0] != width:
        expected = f"{width}, as in the world {world.params.name}"
        mend = "choose other obs_keys, or another world"
        raise RefusedError(
            source, "observations", f"{space.shape[0]} numbers", expected, mend
        )
    if logs.env_id and logs.env_id != world.params.env_id:
        text = f"{logs.env_id} data is scored in {world.params.env_id}"
        brought.notes.append(text)
    low, high = (end.reshape(stated.shape) for end in (space.low, space.high))
    box = Box(low, high, dtype=space.dtype.type)
    for number, episode in enumerate(brought.episodes):
        rows = episode.observations
        shaped = rows.reshape(len(rows), *(stated.shape or ()))
        brought.episodes[number] = replace(episode, observations=shaped)
    return Brought(brought.episodes, box, brought.action_space, brought.notes)
