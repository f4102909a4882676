"""What a predictor says of rows, however its file has to be driven for it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.onnx_predictor import OnnxPredictor
from tasks.evaluate.engine.flows import flow_of, flowed

Arrays = Mapping[str, NDArray[Any]]
BATCH = 32  # rows a call, or those that an adaptive solver takes as one system


def batches(rows: Arrays, size: int = BATCH) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows in their order, so many at a time; the last ones may be fewer."""
    count = len(next(iter(rows.values())))
    for at in range(0, count, size):
        yield {name: x[at : at + size] for name, x in rows.items()}


def answers(predictor: OnnxPredictor, rows: Arrays) -> dict[str, NDArray[Any]]:
    """All outputs for all rows, (N, ...) each.

    Where the file is the field of a flow, those at its end.

    Args:
        predictor: The file.
        rows: The dataset's arrays, (N, ...) each.
    """
    told = flow_of(predictor)
    if told is None:
        parts = [predictor(part) for part in batches(rows)]
    else:
        parts = [flowed(predictor, told, part)[1] for part in batches(rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
