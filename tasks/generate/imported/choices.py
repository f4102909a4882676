"""Actions of a source: numbers within bounds, or choices, as the rules want them."""

from collections import Counter
from typing import Any, NoReturn

import numpy as np
from gymnasium import Space, spaces
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.columns import again
from tasks.generate.imported.logs import Log, Options

SLACK = 1e-5  # beyond a bound, a share of its range: rounding, which is clipped


def action_space(
    logs: list[Log],
    stated: Space[Any] | None,
    world: "Box | Discrete | None",
    options: Options,
    source: object,
    notes: list[str],
) -> Box | Discrete:
    """The space of a dataset's actions, one axis.

    The world's, if there is one; else what the options say; else what the source
    states; else a guess, which is noted: whole numbers are choices, and real ones that
    all lie in [-1, 1] have these bounds.

    Args:
        logs: All episodes.
        stated: By the source.
        world: The action space of the world that data is for.
        options: Of the import.
        source: For errors.
        notes: Gets what was guessed.

    Raises:
        RefusedError: If the bounds are not known, or it is another kind of space.
    """
    if stated is not None and not isinstance(stated, Box | Discrete):
        found = type(stated).__name__
        expected = "a Box or a Discrete space"
        mend = "write each action as one choice, or as numbers, into the source"
        raise RefusedError(source, "action_space", found, expected, mend)
    if world is not None:
        if stated is not None and type(stated) is not type(world):
            expected = f"{type(world).__name__}, as of the world"
            mend = "name another world"
            raise RefusedError(source, "action_space", stated, expected, mend)
        return world
    count = options.discrete_actions
    if not count and isinstance(stated, Discrete):
        count = int(stated.n)
    if not count and stated is None and all(_is_choice(log.actions) for log in logs):
        count = 1 + max(int(log.actions.max(initial=0)) for log in logs)
        notes.append(f"actions: whole numbers, taken for choices among {count}")
    if count:
        return Discrete(count)
    box = stated if isinstance(stated, Box) else None
    return _box(logs, box, options, source, notes)


def _is_choice(actions: NDArray[Any]) -> bool:
    """Whether actions are one whole number a step, none below 0."""
    single = actions.size == len(actions) and actions.dtype.kind in "iu"
    return bool(single and (actions >= 0).all())


def _box(
    logs: list[Log],
    stated: Box | None,
    options: Options,
    source: object,
    notes: list[str],
) -> Box:
    """Bounds of actions of numbers, (A,) each."""
    width = int(np.prod(logs[0].actions.shape[1:], dtype=int))
    ends = [np.full(width, np.inf)] * 2
    if stated is not None and stated.low.size != width:
        expected = f"{stated.low.size}, as the source's own space says"
        mend = "mend the source"
        raise RefusedError(source, "actions", f"{width} a step", expected, mend)
    if stated is not None:
        ends = [np.asarray(e.ravel(), np.float64) for e in (stated.low, stated.high)]
    values = [log.actions.reshape(len(log.actions), -1) for log in logs]
    same = [part for part in values if part.shape[1] == width and len(part)]
    lowest = np.min([part.min(0) for part in same], axis=0)
    highest = np.max([part.max(0) for part in same], axis=0)
    for number, option in enumerate((options.action_low, options.action_high)):
        if option:
            ends[number] = _broadcast(option, width, number, source)
    if not np.isfinite(ends).all():
        guessable = stated is None and not (options.action_low or options.action_high)
        if not guessable or lowest.min() < -1 or highest.max() > 1:
            raise RefusedError(
                source,
                "action_space",
                f"no finite bounds; actions go from {_text(lowest)} to "
                f"{_text(highest)}",
                "the lowest and highest that the machine takes",
                again(f"action_low={_text(lowest)} action_high={_text(highest)}"),
            )
        notes.append("actions: no bounds stated, all in [-1, 1], which are the bounds")
        ends = [np.full(width, -1.0), np.full(width, 1.0)]
    low, high = (np.asarray(end, np.float32) for end in ends)
    if (low > high).any():
        column = int(np.flatnonzero(low > high)[0])
        found = f"{low[column]} to {high[column]} of column {column}"
        mend = again("action_low=... action_high=...")
        raise RefusedError(source, "action_space", found, "the lower one first", mend)
    return Box(low, high, dtype=np.float32)


def _broadcast(
    option: tuple[float, ...], width: int, number: int, source: object
) -> NDArray[np.float64]:
    """One bound for each number of an action."""
    if len(option) not in (1, width):
        name = ("action_low", "action_high")[number]
        expected = f"1 number, or {width}, as an action has"
        raise RefusedError(source, name, len(option), expected, again(f"{name}=..."))
    return np.broadcast_to(np.array(option), (width,)).copy()


def _text(values: NDArray[Any]) -> str:
    """Numbers as OPTIONS takes them."""
    listing = ",".join(f"{value:.9g}" for value in values)
    return f"[{listing}]" if len(values) != 1 else listing


def choices(log: Log, space: Discrete, start: int, source: object) -> NDArray[np.int64]:
    """Actions (T,) as numbers from 0 on.

    Args:
        log: The episode.
        space: Begins at 0.
        start: What the source calls the first choice.
        source: For errors.

    Raises:
        RefusedError: If one is no whole number, or none of the space's.
    """
    values = log.actions
    if values.size != len(values):
        shape = f"shape {values.shape}"
        _refuse(source, log, 0, shape, f"one choice a step, ({len(values)},)")
    flat = values.reshape(len(values)).astype(np.float64) - start
    wrong = ~((flat >= 0) & (flat < space.n) & (flat % 1 == 0))
    if wrong.any():
        step = int(np.flatnonzero(wrong)[0])
        last = start + int(space.n) - 1
        _refuse(source, log, step, values.ravel()[step], f"{start} to {last}")
    return flat.astype(np.int64)


def numbers(
    log: Log, space: Box, options: Options, source: object, counts: Counter[str]
) -> NDArray[np.float32]:
    """Actions (T, A), inside their bounds.

    Args:
        log: The episode.
        space: One axis, finite bounds.
        options: Whether what is outside is clipped, and the range of the source.
        source: For errors.
        counts: Gets how many numbers were clipped, and why.

    Raises:
        RefusedError: If the width is another, or a number is outside.
    """
    low, high = (e.ravel().astype(np.float64) for e in (space.low, space.high))
    values = log.actions.reshape(len(log.actions), -1)
    if values.shape[1] != low.size or values.dtype.kind not in "fiub":
        found = f"{values.dtype}, {values.shape[1]} a step"
        _refuse(source, log, 0, found, f"{low.size} numbers a step")
    values = values.astype(np.float64)
    if options.rescale_actions:
        lowest, highest = _range(options, source)
        values = low + (values - lowest) / (highest - lowest) * (high - low)
    beyond = np.maximum(low - values, values - high)
    span = np.where(high > low, high - low, np.maximum(1, np.abs(low)))
    if (beyond > 0).any():
        large = beyond > SLACK * span
        if large.any() and not options.clip_actions:
            step, column = (int(i) for i in np.argwhere(large)[0])
            found = f"{values[step, column]:.9g} in column {column}"
            expected = f"{low[column]:.9g} to {high[column]:.9g}"
            mend = f"mend the bounds, or {again('clip_actions=true')}"
            _refuse(source, log, step, found, expected, mend)
        rounded = int(((beyond > 0) & ~large).sum())
        counts["actions: numbers a rounding beyond their bound, clipped"] += rounded
        counts["actions: numbers beyond their bound, clipped"] += int(large.sum())
    return np.clip(values.astype(np.float32), space.low.ravel(), space.high.ravel())


def _range(options: Options, source: object) -> tuple[float, float]:
    """The lowest and the highest number of an action in the source."""
    if len(ends := options.rescale_actions) != 2 or ends[0] >= ends[1]:
        expected, mend = "LOW,HIGH", again("rescale_actions=-1,1")
        raise RefusedError(source, "rescale_actions", list(ends), expected, mend)
    return ends[0], ends[1]


def start_of(stated: Space[Any] | None) -> int:
    """What a source calls the first choice."""
    return int(stated.start) if isinstance(stated, spaces.Discrete) else 0


def _refuse(
    source: object,
    log: Log,
    step: int,
    found: object,
    expected: str,
    mend: str = "mend the source",
) -> NoReturn:
    field = f"{log.where}, step {step}, actions"
    raise RefusedError(source, field, found, expected, mend)
