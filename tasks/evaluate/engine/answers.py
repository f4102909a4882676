"""What a predictor says of rows, however its file has to be driven for it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.onnx_predictor import OnnxPredictor

Arrays = Mapping[str, NDArray[Any]]
BATCH = 256  # rows a call


def answers(predictor: OnnxPredictor, rows: Arrays) -> dict[str, NDArray[Any]]:
    """All outputs for all rows, (N, ...) each.

    Args:
        predictor: The file.
        rows: The dataset's arrays, (N, ...) each.
    """
    count = len(next(iter(rows.values())))
    parts = [
        predictor({name: x[at : at + BATCH] for name, x in rows.items()})
        for at in range(0, count, BATCH)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
