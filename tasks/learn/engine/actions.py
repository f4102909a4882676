"""All actions of a run, which is all of its replay: worlds repeat themselves.

    <policy's folder>/actions.json         of whose world, and the hash of the other
    <policy's folder>/actions.safetensors  ``<seed>``: (T, N, A), in [-1, 1] or one-hot;
                                           ``<seed>/observation``: (N, O), after them

Shapes: S seeds, T steps of all worlds, N worlds of a seed, O observation, A action.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.sealed import read_sealed, write_sealed

FILE, ROWS = "actions.json", "actions.safetensors"
SCHEMA = 1
Floats = NDArray[np.float32]


class Actions:
    """What a run did, in a mapped file; what is done again lies where it lay.

    Args:
        file: Opened if it is there, with what it holds.
        shape: S, T, N and A.
    """

    def __init__(self, file: Path, shape: tuple[int, int, int, int]) -> None:
        there = file.is_file() and file.stat().st_size == 4 * math.prod(shape)
        file.parent.mkdir(parents=True, exist_ok=True)
        self.rows = np.memmap(file, np.float32, "r+" if there else "w+", shape=shape)

    def add(self, number: int, action: Floats) -> None:
        """Store the number-th step of all worlds, (S, N, A)."""
        self.rows[:, number] = action

    def flush(self) -> None:
        """Write what is in memory alone to the disk."""
        self.rows.flush()


def write_actions(
    folder: Path,
    seeds: Sequence[int],
    rows: Sequence[Floats],
    ends: Sequence[Floats],
    about: Mapping[str, Any],
) -> None:
    """Write what some seeds did beside their policy.

    Args:
        folder: Existing.
        seeds: S of them.
        rows: (T, N, A) of each.
        ends: (N, O) of each: where its worlds were in the end.
        about: What it is of: ``dataset``, ``world_sha256``.
    """
    arrays = {str(k): np.ascontiguousarray(a) for k, a in zip(seeds, rows, strict=True)}
    arrays |= {f"{k}/observation": e for k, e in zip(seeds, ends, strict=True)}
    (folder / ROWS).write_bytes(save(arrays))
    content = {"schema": SCHEMA, **about, "file_sha256": sha256(folder / ROWS)}
    write_sealed(folder / FILE, content)


def read_actions(folder: Path, seed: int, world_sha256: str) -> tuple[Floats, Floats]:
    """Read what a seed did, and where it came to.

    Args:
        folder: Of the policy.
        seed: Which.
        world_sha256: Of what the dataset says of its world now.

    Raises:
        RefusedError: If nothing was recorded, a file is damaged, the world is another
            one by now, or the seed is none of the run's.
    """
    if not (folder / FILE).is_file():
        mend = "set record: true of the learner, and let it learn again"
        raise RefusedError(folder / FILE, "actions", "nothing", "those of a run", mend)
    said, mend = read_sealed(folder / FILE, "dvc repro"), "let it learn again"
    stated = {"schema": SCHEMA, "world_sha256": world_sha256}
    for key, value in stated.items():
        if said.get(key) != value:
            found = f"{said.get(key)!s:.80}"
            raise RefusedError(folder / FILE, key, found, value, mend)
    there = (folder / ROWS).is_file()
    found = sha256(folder / ROWS) if there else "nothing"
    if found != said.get("file_sha256"):
        expected = f"{said.get('file_sha256')!s:.80}"
        raise RefusedError(folder / ROWS, "sha256", found, expected, mend)
    try:
        arrays = load((folder / ROWS).read_bytes())
    except SafetensorError as error:
        raise RefusedError(folder / ROWS, "content", error, "arrays", mend) from None
    if str(seed) not in arrays:
        seeds = ", ".join(sorted(name for name in arrays if "/" not in name))
        raise RefusedError(folder / ROWS, "seed", seed, f"one of {seeds}", "name it")
    return arrays[str(seed)], arrays[f"{seed}/observation"]
