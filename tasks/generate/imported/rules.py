"""From what a source holds to episodes as every stage reads them.

Readers only read. What real files hold against the rules of an
:class:`~tasks.artifacts.episodes.Episode` is settled here, the same for all formats:

| the source | what is done |
|---|---|
| an observation beyond its stated bounds | the bounds give way; counted |
| an action a rounding beyond its bound (1e-5 of the range) | clipped; counted |
| an action further out | refused, or clipped by ``clip_actions`` |
| bounds of actions missing or infinite | asked for; a guess where all fit [-1, 1] |
| terminated and truncated both | terminated; counted |
| neither | asked for: ``end`` |
| T observations of T steps | ``final_obs``; counted |
| (T, 1) rewards or choices, choices as floats or not from 0 | (T,), from 0 |
| infos that no stage reads, or of another length | left out |
| numbers that float32 cannot tell apart | refused, with the figure |
"""

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.minari import READ
from tasks.generate.imported.choices import action_space, choices, numbers, start_of
from tasks.generate.imported.columns import Columns, again, check_distinct
from tasks.generate.imported.fitting import Brought, chosen, fitted, typed, widened
from tasks.generate.imported.logs import Log, Logs, Options

if TYPE_CHECKING:
    from tasks.worlds import World

MOST = 10**6  # episodes, as of any dataset


def apply(
    logs: Logs, options: Options, source: object, world: "World | None" = None
) -> Brought:
    """Settle what a source holds.

    Args:
        logs: As a reader has it.
        options: Of the import.
        source: For errors: the file or folder.
        world: That the data is for; its action space holds. None, or a world without
            spaces of its own: the source's.

    Raises:
        RefusedError: Names the episode, the step and the field that no rule covers.
    """
    parts = list(islice(chosen(logs.episodes, options, source), MOST + 1))
    if not parts or len(parts) > MOST:
        expected = f"1 to {MOST}"
        mend = again("episodes=0:1000") if parts else "record some, or widen episodes"
        raise RefusedError(source, "episodes", len(parts), expected, mend)
    notes, counts = logs.notes, Counter[str]()
    space = getattr(world, "action_space", None)
    if space is not None and (options.action_low or options.action_high):
        mend = "leave out action_low and action_high, or the world"
        expected = "the bounds of the world"
        raise RefusedError(source, "action_low", "bounds", expected, mend)
    columns = Columns(source, parts[0], logs.observation_space, options)
    actions = action_space(parts, logs.action_space, space, options, source, notes)
    settle = _Rules(columns, actions, start_of(logs.action_space), options, counts)
    made = [settle.episode(log) for log in parts]
    episodes = [e for e in made if e is not None and len(e) >= options.min_length]
    counts["episodes: left out as too short"] += len(made) - len(episodes)
    if not episodes:
        found = f"none left of {len(made)}"
        raise RefusedError(
            source, "episodes", found, "at least one", "lower min_length"
        )
    if len(columns.names) > 1:
        notes.append(f"observations: {columns}, in this order")
    rows = np.concatenate([episode.observations for episode in episodes])
    check_distinct(rows, source, options, notes)
    observed = getattr(world, "observation_space", None)
    box = widened(columns, observed, rows, settle.shift, counts)
    if options.dtype == "float32":
        low, high = (np.asarray(end, np.float32) for end in (box.low, box.high))
        box = Box(low, high, dtype=np.float32)
    notes += [f"{text}: {count}" for text, count in sorted(counts.items()) if count]
    episodes = [typed(e, box.dtype) for e in episodes]
    return fitted(Brought(episodes, box, actions, notes), logs, source, world)


class _Rules:
    """What is the same for all episodes of a source."""

    def __init__(
        self,
        columns: Columns,
        actions: Box | Discrete,
        start: int,
        options: Options,
        counts: Counter[str],
    ) -> None:
        self.columns, self.actions, self.start = columns, actions, start
        self.options, self.counts = options, counts
        self.source, width = columns.source, columns.low.size
        shift = options.obs_shift
        if len(shift) not in (0, 1, width):
            expected = f"1 number, or {width}, as an observation has"
            mend = again("obs_shift=...")
            raise RefusedError(self.source, "obs_shift", len(shift), expected, mend)
        self.shift = np.broadcast_to(np.array(shift or (0.0,)), (width,))

    def episode(self, log: Log) -> Episode | None:
        """One episode; None if no step of it is left."""
        if log.actions.ndim == 0 or len(log.actions) == 0:
            self._refuse(log, "actions", "0 steps", "at least 1")
        observations = self.columns.of(log)
        if self.options.obs_shift:
            observations = observations.astype(np.float64) - self.shift
        self._check_finite(log, "observations", observations)
        self._check_finite(log, "actions", log.actions)
        actions: NDArray[Any]
        if isinstance(self.actions, Discrete):
            actions = choices(log, self.actions, self.start, self.source)
        else:
            space, options = self.actions, self.options
            actions = numbers(log, space, options, self.source, self.counts)
        steps, terminated = len(actions), self._ended(log)
        rewards = self._rewards(log, steps)
        infos = {name: v for name, v in log.infos.items() if name in READ}
        if len(observations) == steps:
            observations, steps = self._completed(log, observations, terminated)
        elif len(observations) != steps + 1:
            self._refuse(
                log,
                "observations",
                f"{len(observations)} rows for {steps} actions",
                f"{steps + 1}, or {steps} where the last one is missing",
            )
        if steps == 0:
            return None
        ends = np.arange(steps) == steps - 1
        return Episode(
            observations,
            actions[:steps],
            rewards[:steps],
            ends & terminated,
            ends & (not terminated),
            self._infos(infos, steps),
            log.seed,
            "logged",
            {"logged_as": log.where},
        )

    def _ended(self, log: Log) -> bool:
        """Whether the task ended; else time ran out."""
        if log.terminated:
            self.counts["ends: both flags set, terminated wins"] += bool(log.truncated)
            return True
        if log.truncated or (log.terminated is False and log.truncated is None):
            return False
        if self.options.end == "ask":
            found = "neither terminated nor truncated"
            expected = "one of them at the last step"
            mend = again("end=truncated") + ", or terminated, whichever is true"
            self._refuse(log, "terminated/truncated", found, expected, mend)
        self.counts[f"ends: not stated, taken as {self.options.end}"] += 1
        return self.options.end == "terminated"

    def _rewards(self, log: Log, steps: int) -> NDArray[np.float64]:
        """Rewards (T,), as the options scale them."""
        if log.rewards is None:
            self.counts["rewards: none in the source, 0 each, steps"] += steps
            values = np.zeros(steps)
        else:
            values = np.asarray(log.rewards)
        if values.size != steps or values.dtype.kind not in "fiub":
            found = f"{values.dtype} of shape {values.shape}"
            self._refuse(log, "rewards", found, f"one number a step, ({steps},)")
        scaled = values.reshape(steps).astype(np.float64) * self.options.reward_scale
        scaled += self.options.reward_shift
        self._check_finite(log, "rewards", scaled)
        return scaled

    def _completed(
        self, log: Log, observations: NDArray[Any], terminated: bool
    ) -> tuple[NDArray[Any], int]:
        """T observations and one more, or one step less: ``final_obs``."""
        rule, steps = self.options.final_obs, len(observations)
        if rule == "next_obs":
            found = f"{steps} rows for {steps} actions"
            mend = again("final_obs=auto")
            self._refuse(log, "observations", found, f"{steps + 1}", mend)
        if rule == "repeat" or (rule == "auto" and terminated):
            self.counts["observations: the last one repeated, as none follows it"] += 1
            return np.concatenate([observations, observations[-1:]]), steps
        self.counts["steps: the last one left out, as no observation follows it"] += 1
        return observations, steps - 1

    def _infos(
        self, infos: dict[str, NDArray[Any]], steps: int
    ) -> dict[str, NDArray[Any]]:
        """What later stages read, (T+1, ...) each."""
        kept = {}
        for name, stored in infos.items():
            if name == "log_prob" and self.options.log_prob == "ignore":
                text = "log_prob: ignored, as log_prob does not say of which action"
                self.counts[f"{text}; episodes"] += 1
                continue
            values = self._log_prob(stored) if name == "log_prob" else stored
            if len(values) == steps:
                values = np.concatenate([values, values[-1:]])
            if len(values) < steps + 1:
                self.counts[f"infos: {name} left out, too few rows; episodes"] += 1
                continue
            kept[name] = values[: steps + 1]
        return kept

    def _log_prob(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Log densities (T,) of actions scaled to [-1, 1]."""
        values = np.asarray(stored, np.float64).reshape(len(stored))
        if self.options.log_prob == "raw" and isinstance(self.actions, Box):
            half = (self.actions.high - self.actions.low) / 2
            values = values + np.log(half[half > 0]).sum()
        return values

    def _check_finite(self, log: Log, name: str, values: NDArray[Any]) -> None:
        """Refuse NaN, infinity, and what float32 has no number for."""
        if values.dtype.kind not in "fiub":
            self._refuse(log, name, f"type {values.dtype}", "numbers")
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32, copy=False))
        if not finite.all():
            at = tuple(int(i) for i in np.argwhere(~finite)[0])
            expected = "a finite number of float32's range"
            self._refuse(log, f"step {at[0]}, {name}", values[at], expected)

    def _refuse(
        self,
        log: Log,
        field: str,
        found: object,
        expected: str,
        mend: str = "mend the source, or leave the episode out",
    ) -> NoReturn:
        raise RefusedError(self.source, f"{log.where}, {field}", found, expected, mend)
