"""Profile: bytes, operators and latency of the ONNX files of a learner's variants.

What a file is (``static``) is deterministic and cached; how long it takes depends on
the machine and the moment, so it is measured each time and part of no identity.

A method's file defines one :class:`Profiler`.
"""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.method import Method, P

if TYPE_CHECKING:
    import onnx

BITS = {"FLOAT": 32, "DOUBLE": 64, "BOOL": 8}  # others have them in their name


class Timed(Protocol):
    """An ONNX file, opened: a policy's or a predictor's."""

    contract: dict[str, Any]
    mode: str
    threads: int
    session: Any

    def session_info(self) -> dict[str, Any]:
        """How the session runs."""


def feed(contract: Mapping[str, Any], batch: int) -> dict[str, NDArray[Any]]:
    """Standard normal inputs, zeros that count; a mask allows all; a reset's carry.

    Args:
        contract: Of a file.
        batch: Rows.
    """
    draw, made = np.random.default_rng(0), {}
    for name, entry in contract["inputs"].items():
        shape = (batch, *entry["shape"][1:])
        if entry.get("dtype") == "int64":
            made[name] = np.zeros(shape, np.int64)
        elif name == "legal":
            made[name] = np.ones(shape, np.float32)
        else:
            kind = np.float64 if entry.get("dtype") == "float64" else np.float32
            made[name] = draw.standard_normal(shape, np.float32).astype(kind)
    for name, entry in contract["carry"].items():
        shape = (batch, *entry["shape"][1:])
        made[name] = np.full(shape, entry["reset"], np.float32)
    return made


class Profiler(Method[P], ABC):
    """One way to measure how long a policy takes.

    Args:
        params: The method's parameters.
    """

    @abstractmethod
    def measure(self, policies: Mapping[str, Timed]) -> dict[str, dict[str, Any]]:
        """The figures of each variant's ``latency.json``, measured side by side.

        Args:
            policies: One a variant, by its name.
        """


def static(paths: Sequence[Path]) -> dict[str, Any]:
    """Size, operators and storage of a variant's files; counts are the first file's.

    Args:
        paths: One file a training seed; already checked.

    Returns:
        ``bytes`` (mean of the files), ``bytes_per_seed``, ``parameters`` (weights and
        biases of the layers), ``operators`` (nodes by type), ``initialisers`` (bytes by
        element type, packed), ``opset``, ``ir``.
    """
    import onnx

    model = onnx.load(paths[0])
    sizes = [path.stat().st_size for path in paths]
    stored: Counter[str] = Counter()
    for tensor in model.graph.initializer:
        kind = onnx.TensorProto.DataType.Name(tensor.data_type)
        stored[kind] += -(-_count(tensor) * _bits(kind) // 8)
    return {
        "bytes": sum(sizes) / len(sizes),
        "bytes_per_seed": sizes,
        "parameters": _parameters(model.graph),
        "operators": Counter(node.op_type for node in model.graph.node),
        "initialisers": stored,
        "opset": max(entry.version for entry in model.opset_import),
        "ir": model.ir_version,
    }


def _parameters(graph: "onnx.GraphProto") -> int:
    """Elements of the layers' initialisers, without scales and zero points.

    The names of a layer's tensors have a dot, those of other constants have none; a
    layer's numbers without axes are none of its weights.
    """
    scales = {
        name
        for node in graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        for name in node.input[1:]
    }
    return sum(
        _count(tensor)
        for tensor in graph.initializer
        if "." in tensor.name and tensor.dims and tensor.name not in scales
    )


def _count(tensor: "onnx.TensorProto") -> int:
    """Elements of a tensor."""
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _bits(kind: str) -> int:
    """Bits of an element type, e.g. 4 for UINT4 and 8 for FLOAT8E4M3FN."""
    if kind in BITS:
        return BITS[kind]
    digits = re.search(r"\d+", kind)
    return int(digits.group()) if digits else 0


def words(batches: Mapping[str, Mapping[str, float]]) -> str:
    """Latencies in one line, for the log.

    Args:
        batches: ``p50_us`` and ``p99_us`` by batch size.
    """
    return ", ".join(
        f"batch {b}: p50 {t['p50_us']:.1f} us, p99 {t['p99_us']:.1f} us"
        for b, t in batches.items()
    )
