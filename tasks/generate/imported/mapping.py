"""Which column of a table is what: as the user's map says, or guessed by name.

episode: run_id             one value an episode; rows of it may lie anywhere
step: t                     whole numbers that go up by one
time: stamp                 seconds, or dates; must go up
gap: 5.0                    seconds; a longer pause begins an episode
timezone: Europe/Berlin     of dates that state none
obs: [x, y, "sensor_*"]     * and ? stand for any letters, numbers sorted by value
next_obs: ["next_*"]        what followed the row's action
action: [u1, u2]            or {column: a, discrete: true}
reward: r
terminated: done            the task ended with this row
truncated: timeout          time ran out with this row
infos: {log_prob: lp}       kept beside, by name
next_infos: {legal: "m_*"}  the same after the row's action
na: error                   drop_episode or ffill: what to do with gaps
decimal: ","                of a CSV; its delimiter is seen from its head
units: {x: m}               kept in the card, used by nobody
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.nearest import listed, suggestion

SINGLE = ("episode", "step", "time", "reward", "terminated", "truncated")
LISTS = ("obs", "next_obs", "action")
SEVERAL = ("infos", "next_infos")
SETTINGS = ("gap", "timezone", "na", "dtype", "decimal", "units")
KEYS = (*SINGLE, *LISTS, *SEVERAL, *SETTINGS)
DTYPES = ("float32", "float64")
RULES = ("error", "drop_episode", "ffill")
MEND = "mend the map, e.g. MAP=map.yaml"
# names that say what a column is, in small letters and digits without signs
GUESSES: Mapping[str, tuple[str, ...]] = {
    "episode": (
        *("episode", "episodeid", "episodeindex", "ep", "epid", "run", "runid"),
        *("trajectory", "trajectoryid", "traj", "trajid"),
    ),
    "step": ("step", "stepid", "timestep", "t", "frame", "frameindex"),
    "time": ("time", "timestamp", "stamp", "datetime"),
    "reward": ("reward", "rewards", "rew", "r"),
    "terminated": ("terminated", "terminal", "terminals", "terminations"),
    "truncated": ("truncated", "truncations", "timeout", "timeouts"),
    "obs": ("obs", "observation", "observations", "state", "states"),
    "next_obs": ("nextobs", "nextobservation", "nextobservations", "nextstate"),
    "action": ("action", "actions", "act", "a", "u"),
}


@dataclass(frozen=True)
class Columns:
    """Names of a table's columns by what they are; a missing one is None or empty.

    Attributes:
        discrete: Whether actions are one of several to choose from; None: not said.
        gap: Seconds after which a pause begins an episode; 0: none does.
        timezone: Of dates without one; empty: not said.
        na: One of :data:`RULES`.
        dtype: One of :data:`DTYPES`; empty: as they are stored.
        notes: What was guessed, and what is kept without being used.
    """

    episode: str | None = None
    step: str | None = None
    time: str | None = None
    reward: str | None = None
    terminated: str | None = None
    truncated: str | None = None
    obs: tuple[str, ...] = ()
    next_obs: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    infos: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    next_infos: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    discrete: bool | None = None
    gap: float = 0.0
    timezone: str = ""
    na: str = "error"
    dtype: str = ""
    notes: tuple[str, ...] = ()

    def used(self) -> list[str]:
        """Every column that is read, once, in a fixed order."""
        singles = [getattr(self, key) for key in SINGLE]
        lists = [*self.obs, *self.next_obs, *self.action]
        more = [n for part in (self.infos, self.next_infos) for n in part.values()]
        names = [*singles, *lists, *(name for group in more for name in group)]
        return list(dict.fromkeys(name for name in names if name))


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key to sort names by: numbers inside them by value, so x2 before x10."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p]


def resolve(said: Mapping[str, Any], names: Sequence[str], where: object) -> Columns:
    """Read the user's map against the columns that there are.

    Args:
        said: The map; without one, columns are guessed by their names.
        names: The table's columns.
        where: The table, for errors.

    Raises:
        RefusedError: If a key or column is unknown, a value of the wrong kind, a column
            two things at once, or no observation or action is named or can be guessed.
    """
    for key in said:
        if key not in KEYS:
            raise RefusedError(where, "map", shown(key), *suggestion(key, KEYS))
    roles = _roles(said, names, where)
    notes = [] if said else _guess(roles, names, where)
    for key, example in (("obs", "[x, y]"), ("action", "[u]")):
        if not roles.get(key):
            found = f"no column for {key} among {listed(names)}"
            mend = f"say it in a map, e.g. MAP=map.yaml with {key}: {example}"
            raise RefusedError(where, "columns", found, f"{key} named", mend)
    _check_once(roles, where)
    return Columns(**roles, **_settings(said, where), notes=(*notes, *_units(said)))


def _roles(
    said: Mapping[str, Any], names: Sequence[str], where: object
) -> dict[str, Any]:
    """The columns that a map names, by what they are."""
    roles: dict[str, Any] = {}
    for key in SINGLE:
        if said.get(key) is not None:
            roles[key] = _column(said[key], key, names, where)
    for key in LISTS:
        if said.get(key) is not None:
            roles[key], discrete = _several(said[key], key, names, where)
            if discrete is not None:
                roles["discrete"] = discrete
    for key in SEVERAL:
        groups = said.get(key) or {}
        _check(isinstance(groups, Mapping), key, groups, "names with columns", where)
        roles[key] = {
            str(name): _several(columns, f"{key}.{name}", names, where)[0]
            for name, columns in groups.items()
        }
    return roles


def _settings(said: Mapping[str, Any], where: object) -> dict[str, Any]:
    """Values of a map that are no columns."""
    gap, rule = said.get("gap", 0.0), said.get("na", "error")
    number = isinstance(gap, int | float) and not isinstance(gap, bool)
    _check(number and 0 <= gap < 1e12, "gap", gap, "seconds, 0 or more", where)
    _check(rule in RULES, "na", rule, f"one of {', '.join(RULES)}", where)
    zone = said.get("timezone") or ""
    _check(isinstance(zone, str), "timezone", zone, "a name, e.g. UTC", where)
    dtype = said.get("dtype") or ""
    _check(dtype in ("", *DTYPES), "dtype", dtype, " or ".join(DTYPES), where)
    timed = said.get("time") is not None
    _check(timed or not gap, "gap", gap, "none without a column of time", where)
    return {"gap": float(gap), "na": rule, "timezone": zone, "dtype": dtype}


def _units(said: Mapping[str, Any]) -> list[str]:
    units = said.get("units")
    return [f"units as stated: {units}"] if units else []


def _check(holds: bool, key: str, value: object, expected: str, where: object) -> None:
    """Refuse a value of the map."""
    if not holds:
        raise RefusedError(where, f"map.{key}", shown(value), expected, MEND)


def _column(value: object, key: str, names: Sequence[str], where: object) -> str:
    """One column that is there."""
    _check(isinstance(value, str), key, value, "a column's name", where)
    if value not in names:
        raise RefusedError(where, f"map.{key}", shown(value), *suggestion(value, names))
    return str(value)


def _several(
    value: object, key: str, names: Sequence[str], where: object
) -> tuple[tuple[str, ...], bool | None]:
    """Columns of a list or pattern, and whether they are said to be choices."""
    discrete: bool | None = None
    if isinstance(value, Mapping) and key == "action":
        fits = set(value) <= {"column", "discrete"}
        _check(fits, key, value, "{column: NAME, discrete: true}", where)
        discrete, value = value.get("discrete"), value.get("column")
        _check(discrete in (True, False, None), key, discrete, "true or false", where)
    entries = value if isinstance(value, list | tuple) else [value]
    columns = [name for e in entries for name in _matching(e, key, names, where)]
    counts = Counter(columns)
    for name in columns:
        _check(counts[name] == 1, key, name, "each column once", where)
    return tuple(columns), discrete


def _matching(
    entry: object, key: str, names: Sequence[str], where: object
) -> Sequence[str]:
    """The columns that one entry of a list stands for."""
    pattern = str(entry)
    if not isinstance(entry, str) or pattern in names or not set(pattern) & set("*?"):
        return [_column(entry, key, names, where)]
    hits = sorted((n for n in names if fnmatchcase(n, pattern)), key=natural)
    _check(bool(hits), key, pattern, f"to fit one of {listed(names)}", where)
    return hits


def _check_once(roles: Mapping[str, Any], where: object) -> None:
    """Refuse a column that is two things at once."""
    uses: dict[str, str] = {}
    for key in (*SINGLE, *LISTS):
        value = roles.get(key) or ()
        for name in (value,) if isinstance(value, str) else value:
            before = uses.setdefault(name, key)
            _check(before == key, key, name, f"it once, it is {before} too", where)


def _guess(roles: dict[str, Any], names: Sequence[str], where: object) -> list[str]:
    """Fill roles by the columns' names, where only one reading is possible."""
    notes: list[str] = []
    used: set[str] = set()
    for key, words in GUESSES.items():
        groups = _groups(names, words, several=key in LISTS)
        if len(groups) > 1:
            found = " or ".join(sorted("+".join(group) for group in groups))
            expected = f"one reading of {key}"
            mend = f"say which in a map, e.g. MAP=map.yaml with {key}: ..."
            raise RefusedError(where, "columns", found, expected, mend)
        if groups:
            (group,) = groups
            roles[key] = group if key in LISTS else group[0]
            used.update(group)
            notes.append(f"{key} guessed by name: {', '.join(group)}")
    if rest := [name for name in names if name not in used]:
        notes.append(f"columns not read: {', '.join(rest)}")
    return notes


def _groups(
    names: Iterable[str], words: tuple[str, ...], *, several: bool
) -> list[tuple[str, ...]]:
    """Columns whose names say one thing, those of the same word together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        # of obs_3 or action[0] the word before the number
        text = re.sub(r"[_.\[ ]*[0-9]+\]?$", "", name) if several else name
        word = re.sub(r"[^a-z0-9]", "", text.lower())
        if word in words and text.isascii():
            groups.setdefault(word, []).append(name)
    if not several:
        return [(name,) for group in groups.values() for name in group]
    return [tuple(sorted(group, key=natural)) for group in groups.values()]
