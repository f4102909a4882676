"""LeRobot datasets v2.0, v2.1 and v3.0: a folder of parquet files, without videos.

    meta/info.json                               version, fps, features, totals
    data/chunk-000/episode_000000.parquet        v2: a file an episode
    data/chunk-000/file-000.parquet              v3: many episodes a file

An episode has L frames, the last a real one with an action but nothing after it. So it
becomes T = L - 1 steps, all of whose observations are known. Whether the task ended is
in ``next.success`` where there is such a column. Paths that info.json states are not
followed. Cadene et al., LeRobot; layout of its pages on datasets.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown
from tasks.artifacts.nearest import listed
from tasks.generate.imported.lerobot_info import (
    MEND,
    VERSIONS,
    Info,
    read_info,
    stated_version,
)
from tasks.generate.imported.logs import Log, Logs, Options
from tasks.generate.imported.mapping import natural
from tasks.generate.imported.tables import Table

INFOS = ("legal", "log_prob")  # not LeRobot's own; of datasets that were exported here
KEPT = ("episode_index", "frame_index", "timestamp")
ENDS = ("next.reward", "next.done", "next.success")
PICTURES = ("image", "video")
TOLERANCE = 1e-3  # seconds between a frame's time and its number over fps


def recognises(source: Path) -> bool:
    """Whether a folder has a meta/info.json with a codebase_version."""
    return stated_version(source) is not None


def read(source: Path, options: Options) -> Logs:
    """Read a dataset.

    Raises:
        RefusedError: If its version or a feature cannot be read, a file is damaged or
            missing, or frames of an episode are missing or out of time; names episode
            and frame.
    """
    info = read_info(source)
    frames = _Frames(source, info, options)
    return Logs(
        "lerobot", frames.episodes(), step_seconds=1 / info.fps, notes=frames.notes
    )


class _Frames:
    """All frames of a dataset, in order.

    Args:
        source: The folder.
        info: Its info.json.
        options: Of the import.
    """

    def __init__(self, source: Path, info: Info, options: Options) -> None:
        self.source, self.info, self.options = source, info, options
        self.notes: list[str] = []
        self.keys = self._observation_keys()
        ends = [name for name in ENDS if name in info.features]
        self.infos = [name for name in INFOS if name in info.features]
        columns = [*KEPT, "action", *self.keys, *ends, *self.infos]
        if "task_index" in info.features:
            columns.append("task_index")
        self.values = self._read(columns)
        number, frame = self.values["episode_index"], self.values["frame_index"]
        order = np.lexsort((frame, number))
        if (order[1:] < order[:-1]).any():
            self.values = {name: v[order] for name, v in self.values.items()}
        self.numbers = self.values["episode_index"].astype(np.int64)
        first = np.diff(self.numbers, prepend=self.numbers[0] - 1) != 0
        self.starts = np.flatnonzero(first)
        self.stops = np.append(self.starts[1:], len(first))
        self._check_totals()
        self._check_order()
        self._note_tasks()

    def episodes(self) -> Iterator[Log]:
        """Episodes of the chosen split, one by one."""
        low, high = self._split()
        for start, stop in zip(self.starts.tolist(), self.stops.tolist(), strict=True):
            if low <= self.numbers[start] < high:
                yield self._episode(start, stop)

    def _episode(self, start: int, stop: int) -> Log:
        """L frames as L - 1 steps, or as L if the last observation is repeated."""
        values, frames = self.values, slice(start, stop)
        where = f"episode_index {self.numbers[start]}"
        whole = self.options.final_obs == "repeat"
        if stop - start == 1 and not whole:
            expected = "at least 2, as the last one is only seen"
            mend = "leave it out, or import with final_obs=repeat"
            raise RefusedError(self.source, where, "1 frame", expected, mend)
        steps = slice(start, stop if whole else stop - 1)
        terminated = self._terminated(stop - 1)
        return Log(
            {name: values[name][frames] for name in self.keys},
            values["action"][steps],
            self._rewards(frames, steps),
            terminated,
            not terminated,
            {name: values[name][frames] for name in self.infos},
            where,
        )

    def _terminated(self, last: int) -> bool:
        """Whether the task ended with an episode's last frame."""
        done = self.values.get("next.done")
        success = self.values.get("next.success")
        if success is None:
            said = done is None or bool(done[last])
            return said and self.options.end == "terminated"
        return bool(success[last]) and (done is None or bool(done[last]))

    def _rewards(self, frames: slice, steps: slice) -> NDArray[Any] | None:
        """Rewards of the steps; one that stands on the last frame alone is kept."""
        stored = self.values.get("next.reward")
        if stored is None:
            if not self.options.success_reward:
                return None
            rewards = np.zeros(steps.stop - steps.start)
            rewards[-1] = self.options.success_reward * self._terminated(
                frames.stop - 1
            )
            return rewards
        rewards = stored[steps]
        last = stored[frames.stop - 1]
        if frames.stop > steps.stop and last and not rewards.any():
            rewards = rewards.copy()
            rewards[-1] = last
            self._note("next.reward of the last frame given to the step before it")
        return rewards

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _observation_keys(self) -> list[str]:
        """Features that are observations; pictures only if they are not asked for."""
        keys, features = self.options.obs_keys, self.info.features
        names = [name for name in features if name.startswith("observation.")]
        chosen = [name for name in names if not keys or name in keys]
        if wrong := [key for key in keys if key not in names]:
            expected = f"one of {listed(names)}"
            self._refuse("obs_keys", wrong[0], expected, "change obs_keys")
        plain = [n for n in names if features[n].get("dtype") not in PICTURES]
        for name in chosen:
            kind = features[name].get("dtype")
            if kind in PICTURES:
                mend = f'import it with OPTIONS="obs_keys={",".join(plain)}"'
                mend = mend if plain else "record a state beside the pictures"
                self._refuse(name, f"dtype {kind}", "numbers, no pictures", mend)
        if not chosen or "action" not in features:
            expected = "observation.state or the like, and action"
            self._refuse("features", listed(features) or "none", expected, MEND)
        if left := sorted(set(names) - set(chosen)):
            self.notes.append(f"not read: {', '.join(left)}")
        return sorted(chosen)

    def _read(self, columns: list[str]) -> dict[str, NDArray[Any]]:
        """Columns of all files, one after the other."""
        pattern = f"chunk-*/{VERSIONS[self.info.version]}.parquet"
        paths = sorted(
            (self.source / "data").glob(pattern), key=lambda p: natural(p.as_posix())
        )
        if not paths:
            self._refuse(f"data/{pattern}", "no files", "at least one", MEND)
        parts = [self._file(path, columns) for path in paths]
        values = {}
        for name in columns:
            shapes = {part[name].shape[1:] for part in parts}
            if len(shapes) > 1:
                expected = "one width in all files"
                self._refuse(name, shown(sorted(shapes)), expected, MEND)
            values[name] = np.concatenate([part[name] for part in parts])
        return values

    def _file(self, path: Path, columns: list[str]) -> dict[str, NDArray[Any]]:
        """Columns of one file."""
        inside = path.resolve().is_relative_to(self.source.resolve())
        if not inside or not path.is_file():
            found = "a link to elsewhere" if not inside else "no file"
            raise RefusedError(path, "file", found, "a file of the dataset", MEND)
        table = Table(path)
        if missing := [name for name in columns if name not in table.names]:
            raise RefusedError(path, "columns", listed(table.names), missing[0], MEND)
        table.read(columns)
        values = {name: table.numbers(name) for name in columns}
        for name, column in values.items():
            single = name in (*KEPT, *ENDS, "task_index")
            if single and column.ndim > 1 and column.shape[1] == 1:
                values[name] = column[:, 0]
            elif single and column.ndim > 1:
                raise RefusedError(path, name, "lists", "one value a frame", MEND)
        return values

    def _check_totals(self) -> None:
        """Refuse a dataset of which a part is missing."""
        for name, found, stated in (
            ("total_episodes", len(self.starts), self.info.episodes),
            ("total_frames", len(self.numbers), self.info.frames),
        ):
            if found != stated:
                mend = "bring all files below data/"
                self._refuse(name, f"{found} in data/", f"{stated}, as stated", mend)

    def _check_order(self) -> None:
        """Refuse frames that are missing, stand twice, or lie off their time."""
        lengths = self.stops - self.starts
        place = np.arange(len(self.numbers)) - np.repeat(self.starts, lengths)
        frame, time = self.values["frame_index"], self.values["timestamp"]
        due = place / self.info.fps
        in_time = np.abs(time - due) <= TOLERANCE + 1e-6 * due  # float32 far from 0
        for name, wrong, expected in (
            ("frame_index", frame != place, place),
            ("timestamp", ~in_time, due),
        ):
            if wrong.any():
                at = int(np.argmax(wrong))
                where = f"episode_index {self.numbers[at]}, frame {place[at]}, {name}"
                found = f"{self.values[name][at]:g}"
                self._refuse(where, found, f"{expected[at]:g}", MEND)

    def _note_tasks(self) -> None:
        """Note what an observation does not say, and how ends are read."""
        tasks = self.values.get("task_index")
        if tasks is not None and (count := len(np.unique(tasks))) > 1:
            self.notes.append(f"{count} tasks, which no observation tells apart")
        if "next.success" not in self.values:
            end = "end=terminated says that the task ended"
            if self.options.end != "terminated":
                self.notes.append(f"ends: no next.success, taken as truncated; {end}")
        done = self.values.get("next.done")
        if done is not None:
            early = done.astype(bool)
            early[self.stops - 1] = False
            if early.any():
                text = f"next.done in {early.sum()} frames before the last; kept whole"
                self.notes.append(text)

    def _split(self) -> tuple[int, int]:
        """The range of episodes that ``filter`` names."""
        if not (name := self.options.filter):
            return 0, self.info.episodes
        span = re.fullmatch(r"(\d{1,9}):(\d{1,9})", str(self.info.splits.get(name, "")))
        if span is None:
            expected = f"one of {listed(map(str, self.info.splits)) or 'no splits'}"
            self._refuse("filter", name, expected, "change filter")
        return int(span[1]), int(span[2])

    def _refuse(self, field: str, found: str, expected: str, mend: str) -> NoReturn:
        raise RefusedError(self.source, field, found, expected, mend)
