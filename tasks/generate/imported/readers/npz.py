"""numpy's npz: arrays by name, of one file or of a folder of such files.

| layout | recognised by | |
|---|---|---|
| plain | ``observations`` and ``actions``, or names like them | rows of all episodes |
| OGBench | the same and ``terminals``, without rewards | T+1 rows a trajectory |
| Dreamer, V-D4RL | ``is_first`` and ``is_last`` | T+1 rows, rewards one row later |

Names of the plain layout are guessed, or said by the option ``map``, e.g. ``{obs: x,
action: u, reward: r, terminated: t, truncated: o, done: d, next_obs: y}``. ``done``
alone says that an episode ended and not how.

In OGBench ``terminals`` marks the last row of a trajectory, whose action is not part
of it, and the task does not end there. In Dreamer's, ``reward`` and ``action`` of a row
are what led to it, so those of the first row are nothing's.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.nearest import listed
from tasks.generate.imported.flat import Rows, episodes
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.zipped import arrays, keys_in

Arrays = Mapping[str, NDArray[Any]]
# by what it is: names that say so
NAMES: Mapping[str, tuple[str, ...]] = {
    "obs": ("observations", "observation", "obs", "states", "state"),
    "action": ("actions", "action", "act", "acts"),
    "reward": ("rewards", "reward", "rew", "rews"),
    "terminated": ("terminals", "terminal", "terminations", "terminated"),
    "truncated": ("timeouts", "timeout", "truncations", "truncated", "truncateds"),
    "done": ("dones", "done", "episode_ends"),
    "next_obs": ("next_observations", "next_observation", "next_obs", "obs_next"),
    "log_prob": ("log_prob", "log_probs", "action_log_probs"),
}
DREAMER = {"is_first", "is_last"}
IMAGE = "image"  # Dreamer's observation where there is no other


def recognises(source: Path) -> bool:
    """Whether it is an npz file, or a folder of nothing else, of one of the layouts."""
    files = _files(source)
    keys = keys_in(files[0]) if files else set()
    plain = all(_guess(keys, what) for what in ("obs", "action"))
    return plain or (keys >= DREAMER and _guess(keys, "action") is not None)


def _files(source: Path) -> list[Path]:
    """The npz files, in the order of their names; none if there is something else."""
    if source.is_file():
        return [source]
    try:
        files = [file for file in sorted(source.iterdir()) if file.name[0] != "."]
    except OSError:
        return []
    return files if all(file.suffix == ".npz" for file in files) else []


def _guess(keys: set[str], what: str) -> str | None:
    """The one name that says so; None where none does, or several."""
    named = [name for name in NAMES[what] if name in keys]
    return named[0] if len(named) == 1 else None


def read(source: Path, options: Options) -> Logs:
    """Read the files one after the other."""
    notes: list[str] = []
    return Logs("npz", _logs(source, options, notes), notes=notes)


def _logs(source: Path, options: Options, notes: list[str]) -> Iterator[Log]:
    for file in _files(source):
        keys = keys_in(file)
        names = _names(file, keys, options)
        stored = arrays(file, {*names.values(), *(keys & (DREAMER | {"is_terminal"}))})
        own = {what: stored[name] for what, name in names.items()}
        prefix = f"{file.name}, " if file != source else ""
        guessed = ", ".join(f"{what}: {name}" for what, name in names.items())
        _note(notes, f"arrays: {guessed}")
        if keys >= DREAMER and not options.map:
            _note(notes, "Dreamer's layout: rewards and actions are one row later")
            yield from _dreamer(own, stored, prefix, file)
        elif {"obs", "action", "terminated"} == own.keys() and not options.map:
            _note(notes, "OGBench's layout: terminals end a trajectory, not the task")
            yield from _ogbench(own, prefix, file)
        else:
            yield from episodes(_rows(own), options, file, notes, prefix)


def _note(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)


def _names(file: Path, keys: set[str], options: Options) -> dict[str, str]:
    """The array of each kind that there is.

    Raises:
        RefusedError: If a name of the map is not there, or there are no observations or
            actions.
    """
    for what, name in options.map.items():
        if what not in NAMES:
            expected = f"one of {listed(NAMES)}"
            mend = "change the map"
            raise RefusedError(file, f"map.{what}", "an unknown key", expected, mend)
        if name not in keys:
            expected = f"one of {listed(keys)}"
            raise RefusedError(file, f"map.{what}", name, expected, "change the map")
    guesses = {what: _guess(keys, what) for what in NAMES}
    names = {what: name for what, name in guesses.items() if name}
    if keys >= DREAMER and "obs" not in names and IMAGE in keys:
        names["obs"] = IMAGE
    names |= {what: str(name) for what, name in options.map.items()}
    for what in ("obs", "action"):
        if what not in names:
            expected = f"one of {listed(NAMES[what])}"
            mend = f"name it with MAP=map.yaml, {what}: NAME"
            raise RefusedError(file, what, f"arrays {listed(keys)}", expected, mend)
    return names


def _rows(own: Arrays) -> Rows:
    """Rows of the plain layout."""
    following = {"": own["next_obs"]} if "next_obs" in own else None
    return Rows(
        {"": own["obs"]},
        own["action"],
        own.get("reward"),
        own.get("terminated"),
        own.get("truncated"),
        own.get("done"),
        following,
        {"log_prob": own["log_prob"]} if "log_prob" in own else {},
    )


def _parts(ends: NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Number, first row and last row of each trajectory."""
    lasts = np.flatnonzero(ends.reshape(len(ends)) != 0).tolist()
    if not lasts or lasts[-1] != len(ends) - 1:
        lasts.append(len(ends) - 1)
    first = 0
    for number, last in enumerate(lasts):
        yield number, first, last
        first = last + 1


def _ogbench(own: Arrays, prefix: str, file: Path) -> Iterator[Log]:
    _check(own, file)
    for number, first, last in _parts(own["terminated"]):
        yield Log(
            {"": own["obs"][first : last + 1]},
            own["action"][first:last],
            None,
            terminated=False,
            truncated=True,
            where=f"{prefix}episode {number}, rows {first} to {last}",
        )


def _dreamer(own: Arrays, stored: Arrays, prefix: str, file: Path) -> Iterator[Log]:
    flags = {
        name: stored[name]
        for name in ("is_first", "is_last", "is_terminal")
        if name in stored
    }
    _check({**own, **flags}, file)
    for number, first, last in _parts(stored["is_last"]):
        done = "is_terminal" in stored and bool(stored["is_terminal"][last].any())
        rewards = own.get("reward")
        yield Log(
            {"": own["obs"][first : last + 1]},
            own["action"][first + 1 : last + 1],
            None if rewards is None else rewards[first + 1 : last + 1],
            terminated=done,
            truncated=not done,
            where=f"{prefix}episode {number}, rows {first} to {last}",
        )


def _check(own: Arrays, file: Path) -> None:
    """Refuse arrays of another length than the observations."""
    for name, values in own.items():
        if len(values) != len(own["obs"]):
            found, expected = f"{len(values)} rows", f"{len(own['obs'])}, as of obs"
            raise RefusedError(file, name, found, expected, "mend the source")
