"""Checkpoints: the last whole state of a training, outside every stage's output.

A state is one file, ``<updates done>-<sha256 of its content>.safetensors``. Its name
tells whether it is whole, so writing it is one rename and reading it needs no other
file.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.strict_json import parse_json

NAME = re.compile(r"(\d{12})-([0-9a-f]{64})\.safetensors")


@dataclass
class State:
    """The state of a training at one update.

    Attributes:
        step: Updates done, 0 or more.
        tensors: The learner's tensors by name, and ``curves``, its log so far.
        columns: Names of the columns of ``curves``.
    """

    step: int
    tensors: dict[str, Tensor]
    columns: list[str]


class Checkpoint:
    """A folder that holds the newest state of one training.

    Args:
        folder: Used for this training alone. Its name is the hash of everything that
            decides the training's result, so a state found there may be continued.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(
        self, step: int, tensors: Mapping[str, Tensor], columns: Sequence[str]
    ) -> None:
        """Write a state, then delete what the folder held before.

        Args:
            step: Updates done, 0 or more.
            tensors: The learner's tensors by name, and ``curves``. They may share
                memory, as the statistics of actor and target do.
            columns: Names of the columns of ``curves``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        data = save(
            {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()},
            {"columns": json.dumps(list(columns))},
        )
        name = f"{step:012d}-{hashlib.sha256(data).hexdigest()}.safetensors"
        with tempfile.NamedTemporaryFile(
            dir=self.folder, prefix=".", delete=False
        ) as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(stream.name).replace(self.folder / name)
        for other in self.folder.iterdir():
            if other.name != name:
                other.unlink()

    def load(self) -> State | None:
        """Read the newest state whose content has the hash in its name, if any.

        Raises:
            RefusedError: If that content is no state: then something else wrote it.
        """
        files = self.folder.iterdir() if self.folder.is_dir() else ()
        for file in sorted(files, reverse=True):
            match = NAME.fullmatch(file.name)
            if match is None or not file.is_file():
                continue
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() != match[2]:
                continue
            try:
                tensors = load(data)
                header = int.from_bytes(data[:8], "little")
                about = parse_json(data[8 : 8 + header].decode())["__metadata__"]
                columns = parse_json(about["columns"])
                if not all(isinstance(name, str) for name in columns):
                    raise ValueError(f"columns {columns!r:.80}")
            except (KeyError, SafetensorError, TypeError, ValueError) as error:
                expected, mend = "a state of a training", f"remove {file}"
                raise RefusedError(file, "content", error, expected, mend) from None
            return State(int(match[1]), tensors, columns)
        return None

    def remove(self) -> None:
        """Delete the folder, once the training's output is in place."""
        shutil.rmtree(self.folder, ignore_errors=True)
