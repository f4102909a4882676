"""The share of rows whose largest logit is the one of the label.

Of rows i with label y_i and logits z_i, both of the predictor's file,

    value_i = 1 if argmax_k z_ik = y_i, else 0
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.evaluate import Metric, MetricParams
from tasks.evaluate.engine.answers import answers

if TYPE_CHECKING:
    from tasks.artifacts.onnx_predictor import OnnxPredictor

LABEL, LOGITS = "label", "logits"


@dataclass(frozen=True)
class AccuracyParams(MetricParams):
    """Units and ranges stand in params/evaluate/accuracy.yaml."""


class Accuracy(Metric[AccuracyParams]):
    """Of a file with an output ``logits``, on arrays with ``label``."""

    unit = "of the rows"
    better = "higher"
    reads = (LABEL,)

    def values(
        self, predictor: "OnnxPredictor", rows: Mapping[str, NDArray[Any]]
    ) -> NDArray[np.float64]:
        """1.0 where the largest logit is the label's, else 0.0: (N,)."""
        if LOGITS not in predictor.contract["outputs"]:
            found = ", ".join(predictor.contract["outputs"])
            where, mend = predictor.contract["learner"], "take another metric"
            raise RefusedError(where, "outputs", found, LOGITS, mend)
        logits = answers(predictor, rows)[LOGITS]
        return (logits.argmax(axis=-1) == rows[LABEL]).astype(np.float64)
