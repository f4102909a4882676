"""How often a file is asked for one prediction: what an adaptive solver costs.

The rows are solved in batches of 32, each as one system with step sizes of its own, at
the tolerance that the contract states: an ODE by Tsit5, an SDE by Lamba's Euler-Heun. A
value is the number of evaluations of the field (drift and diffusion count as one),
those of the first step's size and of steps not taken included. A file that
answers in one call counts the evaluations unrolled in it, as its contract says; 1 as a
rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate import Metric, MetricParams
from tasks.evaluate.engine.answers import batches
from tasks.evaluate.engine.flows import flow_of, flowed

if TYPE_CHECKING:
    from tasks.artifacts.onnx_predictor import OnnxPredictor


@dataclass(frozen=True)
class EvaluationsParams(MetricParams):
    """Units and ranges stand in params/evaluate/evaluations.yaml."""


class Evaluations(Metric[EvaluationsParams]):
    """Evaluations of the field a batch."""

    unit = "evaluations"
    better = "lower"
    replicate = "batch of 32"

    def values(
        self, predictor: "OnnxPredictor", rows: Mapping[str, NDArray[Any]]
    ) -> NDArray[np.float64]:
        """A number a batch, (R,)."""
        told = flow_of(predictor)
        if told is None:
            inside = float(predictor.contract.get("evaluations", 1))
            return np.array([inside for _ in batches(rows)])
        counts = [flowed(predictor, told, part)[0] for part in batches(rows)]
        return np.array(counts, np.float64)
