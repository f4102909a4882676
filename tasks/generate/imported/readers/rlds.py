"""RLDS, as tensorflow-datasets stores it: TFRecord files of one episode a record.

    features.json, dataset_info.json
    <dataset>-<split>.tfrecord-00000-of-000NN

A step has is_first, is_last and as a rule observation, action, reward, discount and
is_terminal. The row with is_last is an observation alone: its action and reward mean
nothing, and is_terminal says whether the task ended there. Rows of EnvLogger hold the
action and the reward that led to them; ``alignment`` dm_env shifts those back. Neither
TensorFlow nor its datasets are needed. Ramos et al., arXiv 2111.02767.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.nearest import listed
from tasks.generate.imported.columns import again
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.rlds_features import (
    FEATURES,
    Feature,
    shard_lengths,
    step_features,
)
from tasks.generate.imported.tfrecord import MEND, Values, example, records

SHARD = re.compile(r"(?:.*-)?([\w.+]+)\.tfrecord-(\d{5})-of-(\d{5})")
FLAGS = ("is_first", "is_last", "is_terminal")


def recognises(source: Path) -> bool:
    """Whether a folder, or the one in it, has features.json and TFRecord files."""
    try:
        folder = _folder(source)
        return folder is not None and any(
            SHARD.fullmatch(path.name) for path in folder.iterdir()
        )
    except OSError:
        return False


def read(source: Path, options: Options) -> Logs:
    """Read all splits, or the one that ``filter`` names.

    Raises:
        RefusedError: If a file is missing or damaged, a feature that is needed cannot
            be read, or rows of an episode do not fit together; names file and record.
    """
    folder = _folder(source) or source
    features = step_features(folder)
    steps = _Steps(folder, features, options)
    shards = _shards(folder, options.filter)
    return Logs("rlds", steps.episodes(shards), notes=steps.notes)


def _folder(source: Path) -> Path | None:
    """The folder with features.json: the source, or the only one in it."""
    if (source / FEATURES).is_file():
        return source
    if not source.is_dir():
        return None
    below = [p for p in source.iterdir() if (p / FEATURES).is_file()]
    return below[0] if len(below) == 1 else None


def _shards(folder: Path, split: str) -> list[tuple[Path, int | None]]:
    """Files in order, each with the number of records it is said to have."""
    found: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        if match := SHARD.fullmatch(path.name):
            key = match[1], match[3]
            found.setdefault(key, []).append((int(match[2]), path))
    splits = sorted({name for name, _ in found})
    if split and split not in splits:
        expected = f"one of {listed(splits)}"
        raise RefusedError(folder, "filter", split, expected, "change filter")
    stated, shards = shard_lengths(folder), []
    for (name, count), files in sorted(found.items()):
        if split and name != split:
            continue
        numbers = [number for number, _ in files]
        if numbers != list(range(int(count))):
            expected = f"{int(count)} files of {name}, as their names say"
            raise RefusedError(folder, "files", len(files), expected, "bring all files")
        lengths = stated.get(name, [])
        known = lengths if len(lengths) == len(files) else [None] * len(files)
        for (_, path), length in zip(files, known, strict=True):
            if not path.resolve().is_relative_to(folder.resolve()):
                mend = "bring the file itself"
                raise RefusedError(path, "file", "a link to elsewhere", "a file", mend)
            shards.append((path, length))
    return shards


class _Steps:
    """Episodes of a dataset, step features as arrays."""

    def __init__(
        self, folder: Path, features: dict[str, Feature], options: Options
    ) -> None:
        self.folder, self.features, self.options = folder, features, options
        self.notes: list[str] = []
        self.observations = self._below("observation")
        self.actions = self._below("action")
        if options.obs_keys:
            self.observations = self._chosen(options.obs_keys)
        for part, names in (("action", self.actions), ("obs", self.observations)):
            self._check_readable(names, "" if part == "action" else again("obs_keys=A"))
        texts = [n for n in self.observations if features[n].kind == "text"]
        self.observations = [n for n in self.observations if n not in texts]
        for part, names in (
            ("observation", self.observations),
            ("action", self.actions),
        ):
            if not names:
                self._refuse_feature(part, "nothing to read", "numbers")
        if texts:
            self.notes.append(f"not read, as it is text: {', '.join(texts)}")
        if len(self.actions) > 1:
            self.notes.append(f"actions: {', '.join(self.actions)}, in this order")

    def episodes(self, shards: list[tuple[Path, int | None]]) -> Iterator[Log]:
        """Episodes, one by one."""
        scaled = 0
        for path, stated in shards:
            count = 0
            for number, content in enumerate(records(path)):
                log, discounted = self._episode(path, number, content)
                scaled += discounted
                count += 1
                yield log
            if stated is not None and count != stated:
                expected = f"{stated}, as dataset_info.json says"
                raise RefusedError(path, "records", count, expected, MEND)
        if scaled:
            text = f"discount other than 0 and 1 in {scaled} episodes"
            self.notes.append(f"{text}, which no stage reads")

    def _episode(self, path: Path, number: int, content: bytes) -> tuple[Log, bool]:
        """An episode, and whether its discount is other than 0 and 1."""
        where = f"record {number}"
        try:
            values = example(content)
        except (ValueError, TypeError) as error:
            expected = "a tf.train.Example"
            raise RefusedError(path, where, error, expected, MEND) from None
        rows = len(values.get("steps/is_last", ()))
        step = _Rows(path, where, values, self.features, rows)
        first, last = step.array("is_first"), step.array("is_last")
        if rows < 2 or last[:-1].any() or not last[-1] or first[1:].any():
            self._refuse_flags(path, where, first, last)
        taken = slice(1, None) if self.options.alignment == "dm_env" else slice(-1)
        actions = [step.array(name)[taken] for name in self.actions]
        if len(actions) > 1:
            actions = [a.reshape(rows - 1, -1).astype(np.float64) for a in actions]
        reward = discount = terminated = None
        if "reward" in self.features:
            reward = step.array("reward")[taken]
        if "discount" in self.features:
            discount = step.array("discount")[taken]
        if "is_terminal" in self.features:
            terminated = bool(step.array("is_terminal")[-1])
        log = Log(
            {
                name.removeprefix("observation").strip("/"): step.array(name)
                for name in self.observations
            },
            actions[0] if len(actions) == 1 else np.concatenate(actions, axis=1),
            reward,
            terminated,
            None if terminated is None else not terminated,
            where=f"{path.name}, {where}",
        )
        return log, discount is not None and bool(((discount % 1) != 0).any())

    def _refuse_flags(
        self, path: Path, where: str, first: NDArray[Any], last: NDArray[Any]
    ) -> NoReturn:
        """Refuse an episode that does not say where it begins and ends."""
        if len(last) < 2:
            found, field = f"{len(last)} rows", "is_last"
            expected = "at least 2, the last one an observation alone"
        elif first[1:].any():
            step = int(np.flatnonzero(first[1:])[0]) + 1
            found, field, expected = f"row {step}", "is_first", "row 0 alone"
        else:
            ends = np.flatnonzero(last)
            found, field = f"row {ends[0]}" if len(ends) else "no row", "is_last"
            expected = f"row {len(last) - 1} alone"
        mend = "leave the episode out, or mend it"
        raise RefusedError(path, f"{where}, {field}", found, expected, mend)

    def _below(self, name: str) -> list[str]:
        """The leaves of a feature, by name."""
        return sorted(n for n in self.features if n == name or n.startswith(f"{name}/"))

    def _chosen(self, keys: tuple[str, ...]) -> list[str]:
        """The observations that ``obs_keys`` names, whole groups among them."""
        chosen: list[str] = []
        for key in keys:
            below = self._below(f"observation/{key}")
            if not below:
                names = [n.partition("/")[2] for n in self._below("observation")]
                self._refuse_feature(f"observation/{key}", "nothing", listed(names))
            chosen += [name for name in below if name not in chosen]
        return chosen

    def _check_readable(self, names: list[str], mend: str) -> None:
        """Refuse pictures and other features that are no numbers, by name."""
        for name in names:
            kind = self.features[name].kind
            if kind not in ("tensor", "text") or (kind == "text" and not mend):
                self._refuse_feature(name, f"feature {kind}", "numbers", mend)

    def _refuse_feature(
        self, name: str, found: str, expected: str, mend: str = ""
    ) -> NoReturn:
        path, mend = self.folder / FEATURES, mend or "bring a dataset of numbers"
        raise RefusedError(path, f"steps/{name}", found, expected, mend)


class _Rows:
    """The rows of one episode."""

    def __init__(
        self,
        path: Path,
        where: str,
        values: dict[str, Values],
        features: dict[str, Feature],
        rows: int,
    ) -> None:
        self.path, self.where, self.values = path, where, values
        self.features, self.rows = features, rows

    def array(self, name: str) -> NDArray[Any]:
        """A feature of all rows, (rows, ...)."""
        feature = self.features[name]
        kind = np.dtype(bool if name in FLAGS else feature.dtype)
        values = self.values.get(f"steps/{name}", ())
        expected = self.rows * int(np.prod(feature.shape, dtype=int))
        fits = isinstance(values, np.ndarray) and len(values) == expected
        if not isinstance(values, np.ndarray) or not fits:
            found = f"{len(values)} values"
            if len(values) and not isinstance(values, np.ndarray):
                found += " of bytes"
            self._refuse(name, found, f"{expected} numbers of {self.rows} rows")
        if kind.kind == "f" and values.dtype.kind == "f":
            return values.reshape(self.rows, *feature.shape)  # stored as float32
        return values.reshape(self.rows, *feature.shape).astype(kind)

    def _refuse(self, name: str, found: str, expected: str) -> NoReturn:
        where = f"{self.where}, steps/{name}"
        raise RefusedError(self.path, where, found, expected, MEND)
