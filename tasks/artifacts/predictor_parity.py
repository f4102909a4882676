"""The parity gate of predictors: the file must answer as the network it was made from.

As of policies: real rows, extremes and random ones, at several batch sizes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.onnx_predictor import OnnxPredictor
from tasks.artifacts.parity import BATCHES, parity_result, probe_rows
from tasks.nets.predictor import Predictor

Arrays = Mapping[str, NDArray[Any]]


def probes(inputs: Arrays, generator: np.random.Generator) -> dict[str, NDArray[Any]]:
    """The real inputs, then extremes and random ones of those that are real numbers.

    Args:
        inputs: (N, ...) each.
        generator: For random ones. Where an input counts or names something, rows of
            the real ones stand beside the others' extremes.
    """
    floats = {name: x for name, x in inputs.items() if x.dtype.kind == "f"}
    rows = len(next(iter(inputs.values())))
    made: dict[str, NDArray[Any]] = {}
    count = rows
    if floats:
        flat = [x.reshape(rows, -1) for x in floats.values()]
        probed = probe_rows(np.concatenate(flat, 1), generator)
        count = len(probed)
        ends = np.cumsum([x.shape[1] for x in flat])[:-1]
        parts = np.split(probed, ends, axis=1)
        for (name, x), part in zip(floats.items(), parts, strict=True):
            made[name] = part.reshape(count, *x.shape[1:])
    whole = {n: x[np.arange(count) % rows] for n, x in inputs.items() if n not in made}
    return {**made, **whole}


def check_predictor_parity(
    path: Path,
    predictor: Predictor,
    k: int,
    file: OnnxPredictor,
    rows: Arrays,
    generator: np.random.Generator,
    tolerance: float,
) -> dict[str, Any]:
    """Compare all outputs of seed slice ``k`` with its ONNX file's.

    Args:
        path: For the error.
        predictor: Torch, all seeds.
        k: The slice.
        file: The file.
        rows: The dataset's arrays, (N, ...), N >= 1000.
        generator: For random rows.
        tolerance: Largest difference allowed, relative to max(1, |value|); whole
            numbers have to be the same.

    Returns:
        rows (those compared), batches, max and p99 of the difference, tolerance: the
        contract's ``parity``.

    Raises:
        RefusedError: If a difference is larger; nothing is written then.
    """
    as_tensors = {name: torch.from_numpy(np.array(x)) for name, x in rows.items()}
    real = {name: x.numpy() for name, x in predictor.reading(as_tensors).items()}
    inputs = probes(real, generator)
    stacked = {
        name: torch.from_numpy(x).expand(predictor.seeds, *x.shape)
        for name, x in inputs.items()
    }
    with torch.no_grad():
        outputs = predictor.step(stacked, {})[0]
    ours = {name: x[k].numpy() for name, x in outputs.items()}
    count = len(next(iter(inputs.values())))
    worst, differences = 0.0, np.zeros(0)
    for batch in (*BATCHES, count):
        # small batches see a part of the rows, each size another part
        seen = generator.permutation(count)[: count if batch == count else batch * 32]
        parts = [
            file({name: x[at] for name, x in inputs.items()})
            for at in np.array_split(seen, -(-len(seen) // batch))
        ]
        for name, expected in ours.items():
            theirs = np.concatenate([part[name] for part in parts])
            differences = _difference(theirs, expected[seen])
            worst = float(np.maximum(worst, differences.max()))  # NaN stays NaN
    return parity_result(path, count, worst, differences, tolerance)


def _difference(theirs: NDArray[Any], ours: NDArray[Any]) -> NDArray[np.float64]:
    """Largest difference a row relative to max(1, |ours|): (B,)."""
    apart = np.abs(theirs.astype(np.float64) - ours)
    relative = apart / np.maximum(1.0, np.abs(ours))
    return relative.reshape(len(ours), -1).max(axis=1)
