"""Files with wrong bytes in them are read or refused in one line, never an error."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.generate.imported.reading import read
from tests.generate.imports import options
from tests.generate.test_import_flat import dumped, rows, written
from tests.generate.test_import_minari import buffer, stored
from tests.generate.test_import_npz import PLAIN, N, saved

FLAGS = {"terminals": np.arange(N) == 3, "timeouts": np.arange(N) == N - 1}
SOURCES: dict[str, Callable[[Path], Path]] = {
    "d4rl": lambda place: written(place / "a.h5", rows()),
    "d3rlpy": lambda place: dumped(place / "a.h5"),
    "npz": lambda place: saved(place / "a.npz", **PLAIN, **FLAGS),
    "hdf5": lambda place: stored(place, "hdf5", buffer()),
    "arrow": lambda place: stored(place, "arrow", buffer()),
    "parquet": lambda place: stored(place, "parquet", buffer()),
}
TRIES = 40


def spoilt(content: bytes, draw: random.Random) -> bytes:
    """A file cut short, or with some bytes changed."""
    if draw.random() < 0.2:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(draw.choice([1, 3, 20])):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SOURCES)
def test_spoilt_bytes(tmp_path: Path, name: str):
    source = SOURCES[name](tmp_path)
    copy, draw = tmp_path / "copy", random.Random(name)  # noqa: S311
    lines: list[str] = []
    reader = name if name in ("d4rl", "d3rlpy", "npz") else "minari"
    for _ in range(TRIES):
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        target = copy / source.name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        files = [target] if target.is_file() else sorted(target.rglob("*"))
        file = draw.choice([path for path in files if path.is_file()])
        file.write_bytes(spoilt(file.read_bytes(), draw))
        for kind in ("auto", reader):
            try:
                read(target, options(format=kind, end="truncated", clip_actions=True))
            except RefusedError as error:
                lines.append(str(error))
    assert len(lines) > TRIES // 2
    assert not [line for line in lines if "\n" in line]
