"""Disks: no room, no right to write, a file or a folder in the place of an output."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.hazards.case import CHECK, OUTPUTS, REPORT, STAGES, Action, Case
from tests.hazards.edits import text

KEPT = {"profile": ("latency.json", "static.json")}


def occupied(place: str) -> Action:
    """A file of the user's in the place of a folder."""

    def spoil() -> None:
        shutil.rmtree(place, ignore_errors=True)
        text(place, "mine")()

    return spoil


def unknown(place: str) -> Action:
    """A folder of the user's in the place of an output that nothing recorded."""

    def spoil() -> None:
        _forget()
        shutil.rmtree(place, ignore_errors=True)
        text(f"{place}/notes.txt", "mine")()

    return spoil


def _forget() -> None:
    """A project whose stages never ran, as far as dvc.lock and the folder know."""
    Path("dvc.lock").unlink()
    shutil.rmtree(".offcut/begun")


def fulfil(free: int) -> Action:
    """A disk with so many free bytes."""

    def spoil() -> None:
        shutil.disk_usage = lambda _: SimpleNamespace(  # type: ignore[assignment]
            total=2**40, used=2**40 - free, free=free
        )

    return spoil


def failing(number: int) -> Action:
    """A disk that refuses when what was written is brought to it."""

    def spoil() -> None:
        def refuse(*_: Any) -> None:
            raise OSError(number, os.strerror(number), "out")

        os.fsync = refuse

    return spoil


def owned() -> None:
    """Everything may be read by all, and written by its owner alone."""
    for path in (Path(), *Path().rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    Path.cwd().parent.chmod(0o755)


def fresh(place: str) -> Action:
    """The output does not exist yet, nor the folder it goes into."""

    def spoil() -> None:
        shutil.rmtree(place, ignore_errors=True)

    return spoil


def cases() -> Iterator[Case]:
    """At every stage that writes."""
    for door in STAGES:
        place = OUTPUTS[door.name]
        parent = place.rpartition("/")[0]
        for name, spoil in {
            "a file in the output's place": occupied(place),
            "a file in the place of its folder": occupied(parent),
            "no room": fulfil(1000),
            "no byte": fulfil(0),
        }.items():
            if name == "a file in the place of its folder" and parent in INPUTS:
                continue
            yield Case("disks", name, spoil, door)
        yield Case("disks", "a folder not ours", owned, door, loses_rights=True)
        for number in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
            spoil = failing(number)
            if door.name not in KEPT:
                yield Case("disks", os.strerror(number), spoil, door)
        known = f"{place}/plots" if door == REPORT else place
        yield Case("disks", "a folder of the user's", unknown(known), door)
        unrecorded = Path("dvc.lock").unlink
        yield Case("disks", "an output without a record", unrecorded, door, True)
        yield Case("disks", "an output in the cache", _forget, door, True)
        yield Case("disks", "no output yet", fresh(place), door, True)
        yield Case("disks", "just enough room", fulfil(2**31), door, True)
    yield Case("disks", "no room", fulfil(0), CHECK)
    yield Case("disks", "a file in the output's place", occupied("data/code"), CHECK)


INPUTS = {"data", "data/datasets"}  # what others read lies there
