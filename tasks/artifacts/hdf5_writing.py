"""Episodes as groups of an HDF5 file, where Minari 0.5.4 looks for them.

    episode_<number>             attributes id, seed, total_steps, source, and others
        observations, actions, rewards, terminations, truncations
        infos/<name>

Minari's own writer lets every array grow later, in chunks with an index each. Of an
episode of one step that is 22 KB and 2.4 ms; whole arrays, by HDF5's own calls, are
5 KB and 0.6 ms. Minari reads both alike.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5s, h5t
from numpy.typing import NDArray

from tasks.artifacts.episodes import Episode

TEXT = h5py.string_dtype()


class EpisodeWriter:
    """Writes episodes into a file that Minari has made.

    Args:
        path: The file, without episodes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.single = h5s.create(h5s.SCALAR)
        # of a text in the file, and of the object it comes from
        self.text = h5t.py_create(TEXT, logical=True), h5t.py_create(TEXT)
        self.number = h5t.NATIVE_INT64, h5t.NATIVE_INT64
        # as a time would change the bytes of a file that is written again
        self.options = h5p.create(h5p.DATASET_CREATE)
        self.options.set_obj_track_times(False)
        self.kinds: dict[Any, tuple[Any, Any]] = {}  # of a type and shape

    def write(self, episodes: Iterable[Episode]) -> tuple[int, int]:
        """Write episodes; returns how many they are, and how many steps."""
        count = steps = 0
        with h5py.File(self.path, "r+") as file:
            for episode in episodes:
                group = h5g.create(file.id, f"episode_{count}".encode())
                self._episode(group, count, episode)
                count, steps = count + 1, steps + len(episode)
        return count, steps

    def _episode(self, group: Any, number: int, episode: Episode) -> None:
        """Fill an episode's group."""
        numbers = {"id": number, "total_steps": len(episode)}
        if episode.seed >= 0:
            numbers["seed"] = episode.seed
        for name, value in numbers.items():
            self._attribute(group, name, np.array(value, np.int64), self.number)
        self._attribute(group, "source", np.array(episode.source, TEXT), self.text)
        if episode.metadata:
            h5py.Group(group).attrs.update(episode.metadata)
        self._array(group, "observations", episode.observations)
        self._array(group, "actions", episode.actions)
        self._array(group, "rewards", episode.rewards.astype(np.float64, copy=False))
        for name in ("terminations", "truncations"):
            self._array(group, name, getattr(episode, name).astype(bool, copy=False))
        if episode.infos:
            infos = h5g.create(group, b"infos")
            for name, values in episode.infos.items():
                self._array(infos, name, values)

    def _array(self, group: Any, name: str, values: NDArray[Any]) -> None:
        key = values.dtype, values.shape
        if key not in self.kinds:
            kind = h5t.py_create(values.dtype, logical=True)
            self.kinds[key] = kind, h5s.create_simple(values.shape)
        kind, space = self.kinds[key]
        stored = h5d.create(group, name.encode(), kind, space, self.options)
        stored.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(values))

    def _attribute(
        self, group: Any, name: str, value: NDArray[Any], kinds: tuple[Any, Any]
    ) -> None:
        stored = h5a.create(group, name.encode(), kinds[0], self.single)
        stored.write(value, mtype=kinds[1])
