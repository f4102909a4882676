"""ONNX files of two revisions: operators, bytes, and which tensors changed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tasks.compare.files import model
from tasks.compare.revision import Key, Revision
from tasks.report.cores import words

KINDS = ("changed", "reshaped", "retyped", "added", "removed")


@dataclass(frozen=True)
class Tensor:
    """One initialiser that is not the same in both files.

    Attributes:
        name: Its name.
        kind: One of ``KINDS``.
        words: What became of it: shapes, types, or how far it moved.
    """

    name: str
    kind: str
    words: str


@dataclass(frozen=True)
class File:
    """One seed's file in two revisions.

    Attributes:
        seed: The training seed.
        same: Whether the files are the same bytes.
        tensors: What changed in it; empty where only the contract inside did.
    """

    seed: int
    same: bool
    tensors: tuple[Tensor, ...]


@dataclass(frozen=True)
class Graphs:
    """One variant's files in two revisions.

    Attributes:
        key: Dataset, learner, variant.
        bytes: Mean size of the files, before and after.
        operators: Nodes by type in the first file, before and after.
        files: By seed; seeds of one revision alone are left out.
        lonely: Seeds that only one revision has.
    """

    key: Key
    bytes: tuple[float, float]
    operators: tuple[dict[str, int], dict[str, int]]
    files: tuple[File, ...]
    lonely: tuple[int, ...]

    @property
    def same(self) -> bool:
        """Whether all files are the same bytes."""
        return not self.lonely and all(file.same for file in self.files)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds both revisions have."""
        return tuple(file.seed for file in self.files)

    @property
    def tensors(self) -> dict[str, dict[int, Tensor]]:
        """Changed tensors by name, then by seed."""
        by_name: dict[str, dict[int, Tensor]] = {}
        for file in self.files:
            for tensor in file.tensors:
                by_name.setdefault(tensor.name, {})[file.seed] = tensor
        return by_name

    @property
    def nodes(self) -> tuple[tuple[str, int, int], ...]:
        """Operator types, before and after."""
        a, b = self.operators
        return tuple((op, a.get(op, 0), b.get(op, 0)) for op in sorted(a | b))


def graphs(baseline: Revision, other: Revision) -> list[Graphs]:
    """Every variant whose files both revisions have."""
    compared = []
    for key, a in baseline.results.items():
        b = other.results.get(key)
        common = sorted(a.graphs.keys() & b.graphs.keys()) if b else []
        if b is None or not common:
            continue
        ours, theirs = a.hashes(), b.hashes()
        compared.append(
            Graphs(
                key=key,
                bytes=(float(a.bytes or 0), float(b.bytes or 0)),
                operators=(_operators(a.graphs), _operators(b.graphs)),
                files=tuple(
                    File(seed, True, ())
                    if ours[seed] == theirs[seed]
                    else File(seed, False, tensors(a.graphs[seed], b.graphs[seed]))
                    for seed in common
                ),
                lonely=tuple(sorted(a.graphs.keys() ^ b.graphs.keys())),
            )
        )
    return compared


def _operators(files: Mapping[int, Path]) -> dict[str, int]:
    """Nodes by type, of the first file."""
    graph = model(files[min(files)]).graph
    return dict(Counter(node.op_type for node in graph.node))


def tensors(before: Path, after: Path) -> tuple[Tensor, ...]:
    """Initialisers that are not the same in two files; the files were checked."""
    a, b = _initialisers(before), _initialisers(after)
    changed = []
    for name in a | b:
        old, new = a.get(name), b.get(name)
        if old is None or new is None:
            kind, tensor = ("added", new) if old is None else ("removed", old)
            changed.append(
                Tensor(name, kind, f"{kind}: {_type(tensor)} {_shape(tensor)}")
            )
        elif list(old.dims) != list(new.dims):
            changed.append(Tensor(name, "reshaped", f"{_shape(old)} to {_shape(new)}"))
        elif old.data_type != new.data_type:
            changed.append(Tensor(name, "retyped", f"{_type(old)} to {_type(new)}"))
        elif _bytes(old) != _bytes(new):
            changed.append(Tensor(name, "changed", _moved(old, new)))
    return tuple(changed)


def _initialisers(path: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in model(path).graph.initializer}


def _bytes(tensor: Any) -> bytes:
    """Its values, whichever way they are stored."""
    return numpy_helper.to_array(tensor).tobytes()


def _shape(tensor: Any) -> str:
    return f"[{', '.join(map(str, tensor.dims))}]"


def _type(tensor: Any) -> str:
    return str(onnx.TensorProto.DataType.Name(tensor.data_type))


def _moved(old: Any, new: Any) -> str:
    """How far a tensor moved: its change's norm as a share of its own."""
    a, b = (numpy_helper.to_array(t).astype(np.float64) for t in (old, new))
    norm = float(np.linalg.norm(a))
    if not norm:
        return "changed from zero"
    return f"moved by {words.percent(float(np.linalg.norm(b - a)) / norm)}"
