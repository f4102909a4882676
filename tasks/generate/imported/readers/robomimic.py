"""robomimic's HDF5: one group a demonstration.

    data                         attributes total, env_args (JSON)
    data/demo_<i>                attribute num_samples
        actions (T, A) in [-1, 1], rewards (T,), dones (T,)
        obs/<key> (T, ...), next_obs/<key> (T, ...), states (T, D)
    mask/<name>                  names of demonstrations, as ``filter`` chooses them

Raw files of robosuite have states and actions alone; their observations have to be
extracted first. A done at the end with a reward means that the task was fulfilled; one
in the middle marks success and ends nothing. Mandlekar et al., arXiv 2108.03298;
layout of its page on datasets.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.hdf5 import Hdf5
from tasks.artifacts.nearest import listed
from tasks.artifacts.strict_json import parse_json
from tasks.generate.imported.columns import again
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.opened import names_in, opened

DEMO = re.compile(r"demo_([0-9]{1,9})")
EXTRACT = "run robomimic's observation extraction (dataset_states_to_obs.py) first"


def recognises(source: Path) -> bool:
    """Whether it is an HDF5 file with demonstrations below data."""
    return any(DEMO.fullmatch(name) for name in names_in(source, "data"))


def read(source: Path, options: Options) -> Logs:
    """Read the demonstrations, ordered by their numbers.

    Raises:
        RefusedError: If there are no observations, pictures among them, or arrays of
            other lengths; names the demonstration.
    """
    notes: list[str] = []
    with opened(source) as stored:
        data = stored.group(stored.root, "data")
        name, pace = _environment(stored.attributes(data).get("env_args"))
        demos = _demos(stored, data, options.filter)
        actions = stored.stored(stored.group(data, demos[0]), "actions").shape
    space = Box(-1, 1, actions[1:], np.float32) if len(actions) > 1 else None
    episodes = _logs(source, demos, options, notes)
    return Logs("robomimic", episodes, None, space, name, pace, notes)


def _environment(stated: object) -> tuple[str | None, float | None]:
    """Name and control step, seconds, of env_args; None where it does not say."""
    try:
        block = parse_json(str(stated)) if stated is not None else {}
        name, more = block.get("env_name"), block.get("env_kwargs") or {}
        rate = more.get("control_freq")
    except (ValueError, AttributeError):
        return None, None
    pace = None
    if isinstance(rate, int | float) and math.isfinite(rate) and rate > 0:
        pace = 1 / rate
    return str(name)[:64] if name else None, pace


def _demos(stored: Hdf5, data: Any, mask: str) -> list[str]:
    """Names of all demonstrations, or of a mask's, by number."""
    names = [name for name in stored.names(data) if DEMO.fullmatch(name)]
    if not names:
        mend = "bring a file with demonstrations"
        raise RefusedError(stored.path, "data", "no demo_<i>", "at least one", mend)
    if mask:
        names = _masked(stored, mask, set(names))
    return sorted(names, key=lambda name: int(name.partition("_")[2]))


def _masked(stored: Hdf5, mask: str, names: set[str]) -> list[str]:
    """Names of the demonstrations that a mask lists."""
    known: list[str] = []
    if "mask" in stored.names(stored.root):
        masks = stored.group(stored.root, "mask")
        known = stored.names(masks)
    if mask not in known:
        expected = f"one of {listed(known)}" if known else "none, as there is no mask"
        raise RefusedError(stored.path, "mask", mask, expected, again("filter=..."))
    entry = stored.stored(masks, mask)
    kind: Any = entry.dtype
    shape: tuple[int, ...] = entry.shape or ()
    if kind.kind != "S" or len(shape) != 1:
        # of another kind of text its size is not known before it is read
        found, expected = f"{kind} of shape {shape}", "a list of names of fixed length"
        mend = "write it with np.array(names, dtype='S')"
        raise RefusedError(stored.path, f"mask/{mask}", found, expected, mend)
    stored.take(masks, mask, shape, shape[0] * kind.itemsize)
    listing = [name.decode("utf-8", "replace") for name in h5py.Dataset(entry)[:]]
    if missing := [name for name in listing if name not in names]:
        mend = "mend the mask"
        expected = "names of demonstrations"
        raise RefusedError(stored.path, f"mask/{mask}", missing[0], expected, mend)
    if not listing:
        mend = again("filter=...")
        raise RefusedError(stored.path, f"mask/{mask}", "none", "some names", mend)
    return list(dict.fromkeys(listing))


def _logs(
    source: Path, demos: list[str], options: Options, notes: list[str]
) -> Iterator[Log]:
    """Demonstrations, one by one."""
    marked = 0
    with opened(source) as stored:
        data = stored.group(stored.root, "data")
        for name in demos:
            log, early = _Demo(stored, data, name, options).log()
            marked += early
            yield log
    if marked:
        notes.append(f"dones before the last step in {marked} demos, kept whole")


class _Demo:
    """One demonstration of a file."""

    def __init__(self, stored: Hdf5, data: Any, name: str, options: Options) -> None:
        self.stored, self.name, self.options = stored, name, options
        self.group = stored.group(data, name)
        self.held = stored.names(self.group)

    def log(self) -> tuple[Log, bool]:
        """The episode, and whether it has a done before its last step."""
        actions = self.stored.array(self.group, "actions")
        steps = len(actions)
        rewards = self._flat("rewards", steps)
        dones = self._flat("dones", steps)
        if (stated := self._stated_length()) not in (None, steps):
            self._refuse("num_samples", f"{stated}", f"{steps}, as of actions")
        observations = self._states() if self.options.use_states else self._obs()
        for key, values in observations.items():
            if len(values) not in (steps, steps + 1):
                self._refuse(key, f"{len(values)} rows", f"{steps}, as of actions")
        ended = dones is not None and steps > 0 and bool(dones[-1])
        terminated = ended and rewards is not None and bool(rewards[-1] > 0)
        early = dones is not None and bool(dones[:-1].any())
        if rewards is None and self.options.success_reward:
            rewards = np.zeros(steps)
            rewards[-1:] = self.options.success_reward * ended
            terminated = ended
        how = terminated, not terminated
        return Log(observations, actions, rewards, *how, where=self.name), early

    def _flat(self, name: str, steps: int) -> NDArray[Any] | None:
        """One number a step, None where the file has none."""
        if name not in self.held:
            return None
        values = self.stored.array(self.group, name)
        if values.size != steps:
            self._refuse(name, f"shape {values.shape}", f"({steps},), as of actions")
        return values.reshape(steps)

    def _states(self) -> dict[str, NDArray[Any]]:
        """The simulator's states, of which the last is not followed by one."""
        return {"states": self.stored.array(self.group, "states")}

    def _obs(self) -> dict[str, NDArray[Any]]:
        """Observations and, of the last step, the next one."""
        whole = "next_obs" in self.held
        if "obs" not in self.held or not (
            whole or self.options.final_obs in ("drop", "repeat")
        ):
            missing = "next_obs" if "obs" in self.held else "obs"
            others = "use_states=true"
            if missing == "next_obs":
                others = f"final_obs=drop, or {others}"
            mend = f"{EXTRACT}, or {again(others)}"
            self._refuse(missing, "nothing", "a group of observations", mend)
        now = self.stored.group(self.group, "obs")
        after = self.stored.group(self.group, "next_obs") if whole else None
        names = sorted(self.stored.names(now))
        keys = self.options.obs_keys or names
        values = {}
        for key in keys:
            if key not in names:
                expected = f"one of {listed(names)}"
                self._refuse(f"obs/{key}", "nothing", expected, again("obs_keys=A,B"))
            values[key] = self.stored.array(now, key)
            if values[key].ndim >= 4 and values[key].dtype == np.uint8:
                self._refuse_pictures(key, now, names)
            if after is not None:
                follow = self.stored.array(after, key)
                if follow.shape != values[key].shape or not len(follow):
                    found, expected = f"shape {follow.shape}", f"{values[key].shape}"
                    self._refuse(f"next_obs/{key}", found, f"{expected}, as of obs")
                values[key] = np.concatenate([values[key], follow[-1:]])
        return values

    def _refuse_pictures(self, key: str, group: Any, names: list[str]) -> NoReturn:
        shapes = {n: self.stored.stored(group, n).shape or () for n in names}
        others = [name for name, shape in shapes.items() if len(shape) < 4]
        mend = again(f"obs_keys={','.join(others)}")
        mend = mend if others else "bring observations of numbers"
        self._refuse(f"obs/{key}", "pictures", "numbers", mend)

    def _stated_length(self) -> int | None:
        """The attribute num_samples, without reading the model that lies beside it."""
        name = b"num_samples"
        if not h5py.h5a.exists(self.group, name):
            return None
        attribute = h5py.h5a.open(self.group, name)
        if attribute.shape != () or attribute.dtype.kind not in "iu":
            return -1
        value = np.empty((), attribute.dtype)
        attribute.read(value)
        return int(value)

    def _refuse(
        self,
        field: str,
        found: str,
        expected: str,
        mend: str = "mend the demonstration",
    ) -> NoReturn:
        where = f"{self.name}, {field}"
        raise RefusedError(self.stored.path, where, found, expected, mend)
