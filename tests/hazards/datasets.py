"""Datasets: HDF5 that is no plain array, cards and worlds that are not the file's."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from tests.hazards.case import (
    COMPRESS,
    EVALUATE,
    GENERATE,
    REPORT,
    TRAIN,
    Action,
    Case,
)
from tests.hazards.edits import (
    ABSENT,
    FOLDER,
    INDEX,
    MAIN,
    ROWS,
    column,
    cut,
    entry,
    flip,
    restate,
    stored,
    swap,
    text,
)

CARD, WORLD, METADATA = (
    FOLDER / name for name in ("card.json", "world.json", "data/metadata.json")
)
FIRST = "episode_0/rewards"
REWARDS = "rewards"


def elsewhere(file: Any) -> None:
    """Rewards that lie in another HDF5 file."""
    with h5py.File("other.hdf5", "w") as other:
        other["rewards"] = file[FIRST][()]
    del file[FIRST]
    file[FIRST] = h5py.ExternalLink("other.hdf5", "rewards")


def outside(file: Any) -> None:
    """Rewards whose bytes are those of a file beside."""
    values = file[FIRST][()]
    values.tofile("raw.bin")
    del file[FIRST]
    size = values.nbytes
    file["episode_0"].create_dataset(
        REWARDS, values.shape, values.dtype, external=[("raw.bin", 0, size)]
    )


def virtual(file: Any) -> None:
    """Rewards put together from another file."""
    values = file[FIRST][()]
    with h5py.File("other.hdf5", "w") as other:
        other["rewards"] = values
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[:] = h5py.VirtualSource("other.hdf5", "rewards", values.shape)
    del file[FIRST]
    file["episode_0"].create_virtual_dataset(REWARDS, layout)


def soft(file: Any) -> None:
    """Rewards that are a name of another place."""
    del file[FIRST]
    file[FIRST] = h5py.SoftLink("/nowhere")


def bomb(file: Any) -> None:
    """A terabyte of zeros in a few bytes."""
    del file[FIRST]
    file["episode_0"].create_dataset(
        REWARDS, (2**37,), "f8", chunks=(2**20,), compression="gzip"
    )


def grouped(file: Any) -> None:
    """A group where an array should be."""
    del file[FIRST]
    file.create_group(FIRST)


def compound(values: Any) -> Any:
    return np.zeros(len(values), [("a", "f4"), ("b", "i4")])


def compressed(file: Any) -> None:
    """Rewards in chunks, compressed: as Minari may write them."""
    values = file[FIRST][()]
    del file[FIRST]
    file["episode_0"].create_dataset(REWARDS, data=values, compression="gzip")


# none is read where rows are mapped: that the HDF5 is another one is enough
STORED: dict[str, Action] = {
    "an external link": stored(elsewhere),
    "external storage": stored(outside),
    "a virtual dataset": stored(virtual),
    "a soft link to nowhere": stored(soft),
    "a bomb": stored(bomb),
    "a group for an array": stored(grouped),
    "a scalar": column(REWARDS, lambda _: 1.0),
    "text": column(REWARDS, lambda v: np.array([b"1"] * len(v))),
    "text of any length": column(
        REWARDS, lambda v: np.array(["1"] * len(v), h5py.string_dtype())
    ),
    "complex numbers": column(REWARDS, lambda v: v.astype(complex)),
    "a compound": column(REWARDS, compound),
    "bool rewards": column(REWARDS, lambda v: v > 0),
    "one reward less": column(REWARDS, lambda v: v[:-1]),
    "rewards of two axes": column(REWARDS, lambda v: np.stack([v, v], 1)),
    "a NaN reward": column(REWARDS, lambda v: np.where(v == v[0], np.nan, v)),
    "an infinite reward": column(REWARDS, lambda v: np.where(v == v[0], np.inf, v)),
    "no rewards": column(REWARDS, lambda v: v[:0]),
    "observations of another width": column("observations", lambda v: v[:, :-1]),
    "text observations": column("observations", lambda v: v.astype("S8")),
    "complex observations": column("observations", lambda v: v.astype(complex)),
    "NaN observations": column("observations", lambda v: v * np.nan),
    "observations outside": column("observations", lambda v: v + 1e6),
    "actions outside": column("actions", lambda v: v + 100),
    "text actions": column("actions", lambda v: v.astype("S8")),
    "scalar actions": column("actions", lambda _: 0.5),
    "ends that are text": column("terminations", lambda v: v.astype("S5")),
    "ends that are numbers of 2": column("truncations", lambda v: v * 2.0 + 2),
    "no episode": stored(lambda file: file.__delitem__("episode_0")),
    "infos that are an array": stored(
        lambda f: (f["episode_0"].pop("infos"), f.__setitem__("episode_0/infos", 1))
    ),
    "rewards of 4 bytes": column(REWARDS, lambda v: v.astype("f4")),
    "compressed rewards": stored(compressed),
    "an array more": stored(lambda file: file.__setitem__("episode_0/more", [1])),
}
DEEP = "[" * 100_000
WORDS = {
    "no JSON": "{",
    "nothing": "",
    "a list": "[]",
    "null": "null",
    "a number": "5",
    "nested 100,000 times": DEEP,
    "no UTF-8": b"\xff\xfe",
}
CARDS: dict[str, tuple[Any, ...]] = {
    "sha256": (ABSENT, None, 5, "0" * 64, []),
    "dataset_id": (ABSENT, None, "other-v0", 5),
}
METADATAS: dict[str, tuple[Any, ...]] = {
    "total_episodes": (ABSENT, None, -1, 0, 10**9, "all", 1.5),
    "observation_space": (ABSENT, None, "{}", "x", 5, '{"type": "Dict"}'),
    "action_space": (ABSENT, None, "{}", "[]", '{"type": "Discrete", "n": -1}'),
    "dataset_id": (ABSENT, "other-v0"),
}
INDICES: dict[str, tuple[Any, ...]] = {
    "main_sha256": (ABSENT, None, 5, "0" * 64),
    "schema": (ABSENT, 0, 99),
    "steps": (ABSENT, None, 0, -1, True, 1.5, 10**9, 10**400, "x"),
    "episodes": (0, 10**9),
    "observation": (2, 10**9),
    "action": (2, 10**9),
    "discrete": (ABSENT, 0, "no"),
    "bytes": (ABSENT, 0, 10**12),
    "columns": (ABSENT, None, [], {}, {"observation": 5}),
    "columns.observation.dtype": (ABSENT, "<f8", "O", "V8", 5),
    "columns.observation.shape": (ABSENT, [10**9, 3], [], "x"),
    "columns.observation.offset": (ABSENT, -64, 64, 10**12),
    "columns.observation.sha256": (ABSENT, None, "0" * 64),
    "columns.more": ({},),
}
WORLDS: dict[str, tuple[Any, ...]] = {
    "world": (ABSENT, None, [], "pendulum", 5),
    "world.name": (ABSENT, None, "../x", 5, "hopper"),
    "world.env_id": ("os:system", "a.b:C-v0", "No-v0", "", None, 5, ABSENT),
    "world._target_": ("os.system", "tasks.train.bc.BC", "tasks.worlds.x.X", 5, ABSENT),
    "world.max_steps": (0, -1, "x", 10**400),
    "world.ref_min": (None, "x", 1e9),
    "schema": (ABSENT, 99),
}
CHANGED_BLOCK = {"world.name", "world.max_steps", "world.ref_min", "schema"}


def named(make: Action, name: str) -> Action:
    """Put a hazard to the dataset's place, and a file beside it."""

    def spoil() -> None:
        shutil.rmtree(FOLDER)
        FOLDER.mkdir()
        (FOLDER / name).write_text("mine")
        make()

    return spoil


def cases() -> Iterator[Case]:  # noqa: C901, PLR0912, loops alone
    """At the stages that read a dataset."""
    for name, spoil in STORED.items():
        for door in (TRAIN, COMPRESS):
            yield Case("datasets", name, spoil, door)
    for file in (MAIN, CARD, METADATA, WORLD, ROWS, INDEX):
        doors = (EVALUATE,) if file == WORLD else (TRAIN, COMPRESS)
        for door in doors:
            for name, content in WORDS.items():
                yield Case(
                    "datasets", f"{file.name}: {name}", text(file, content), door
                )
            gone = Case("datasets", f"{file.name}: gone", file.unlink, door)
            yield gone
            yield Case("datasets", f"{file.name}: cut", cut(file, 0.5), door)
    for share in (0.01, 0.3, 0.6, 0.99):
        for door in (TRAIN, COMPRESS):
            yield Case("datasets", f"a bit at {share:.0%}", flip(MAIN, share), door)
        # compress reads some of the arrays, and verifies those
        yield Case("datasets", f"a row's bit, {share:.0%}", flip(ROWS, share), TRAIN)
    for make, name in (
        (lambda: ROWS.symlink_to(MAIN.resolve()), "a link to another"),
        (ROWS.mkdir, "a folder"),
        (lambda: os.mkfifo(ROWS), "a pipe"),
        (lambda: shutil.copy(MAIN, ROWS), "another file"),
    ):
        for door in (TRAIN, COMPRESS):
            yield Case("datasets", f"rows.bin: {name}", swap(ROWS, make), door)
    for path, values in INDICES.items():
        for value in values:
            name = f"rows.{path} = {value!r:.25}"
            yield Case("datasets", name, entry(INDEX, path, value), COMPRESS)
    for path, values in CARDS.items():
        for value in values:
            name = f"card.{path} = {value!r:.25}"
            yield Case("datasets", name, entry(CARD, path, value), TRAIN)
    for path, values in METADATAS.items():
        for value in values:
            name = f"metadata.{path} = {value!r:.25}"
            yield Case("datasets", name, entry(METADATA, path, value), TRAIN)
    for path, values in WORLDS.items():
        for value in values:
            name, spoil = (
                f"world.json {path} = {value!r:.25}",
                entry(WORLD, path, value),
            )
            yield Case("datasets", name, spoil, EVALUATE)
            if value is ABSENT or path not in CHANGED_BLOCK:
                yield Case("datasets", name, spoil, TRAIN)
    for value in (ABSENT, None, 0, -1, "x", True):
        name, spoil = (
            f"world.json step_seconds = {value!r:.25}",
            entry(WORLD, "step_seconds", value),
        )
        yield Case("datasets", name, spoil, TRAIN)
    mine = named(lambda: None, "notes.txt")
    yield Case("datasets", "a user's folder in its place", mine, GENERATE)
    yield Case("datasets", "a user's folder in its place", mine, TRAIN)
    beside = text("data/datasets/mine/notes.txt", "mine")
    for door in (GENERATE, TRAIN, REPORT):
        yield Case("datasets", "a user's folder beside it", beside, door, True)
    good = {
        "a note in the card": lambda: restate({"note": "mine"}),
        "touched": lambda: os.utime(MAIN),
        "copied": lambda: shutil.copy(shutil.move(MAIN, "x"), MAIN),
    }
    for name, spoil in good.items():
        for door in (TRAIN, COMPRESS):
            yield Case("datasets", name, spoil, door, True)
    wide = entry(WORLD, "note", "mine")
    yield Case("datasets", "a note in world.json", wide, EVALUATE, True)
