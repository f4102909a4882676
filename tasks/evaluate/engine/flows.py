"""Solving an ODE whose field is an ONNX file, and counting how often the file is asked.

The contract's ``solve`` says which output is the derivative of which input, over which
time, and how exactly.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_predictor import OnnxPredictor
from tasks.nets.tsit5 import Floats, Solution, Tolerance, solve

KEYS: dict[str, Any] = {
    "reads": str, "state": str, "time": str, "derivative": str,
    "end": (int, float), "atol": (int, float), "rtol": (int, float),
}  # fmt: skip


def flow_of(predictor: OnnxPredictor) -> Mapping[str, Any] | None:
    """What a contract says of its flow; None of a file that answers in one call.

    Raises:
        RefusedError: If it says something else than a flow.
    """
    told = predictor.contract.get("solve")
    if told is None:
        return None
    wrong = [k for k, kind in KEYS.items() if not isinstance(told.get(k), kind)]
    if told.get("kind") != "ode" or wrong:
        field = f"solve.{wrong[0] if wrong else 'kind'}"
        found, mend = told.get(field[6:]), "make it again with: dvc repro"
        raise RefusedError(predictor.contract["learner"], field, found, "an ode", mend)
    return dict(told)


def flowed(
    predictor: OnnxPredictor, told: Mapping[str, Any], rows: Mapping[str, NDArray[Any]]
) -> tuple[Solution, dict[str, NDArray[Any]]]:
    """Solve for some rows as one system: its solution, and the outputs at the end.

    Args:
        predictor: The file.
        told: What its contract says of the flow.
        rows: The dataset's arrays, (B, ...) each.

    Raises:
        RefusedError: If the solver gives up, or there are no rows.
    """
    state = rows[told["reads"]]
    shape = (len(state), int(np.prod(state.shape[1:])))
    tolerance = Tolerance(float(told["atol"]), float(told["rtol"]))

    def field(u: Floats, t: Floats) -> Floats:
        feed = _feed(told, u.reshape(shape), t[0])
        derivative = predictor(feed, told["derivative"])[told["derivative"]]
        return np.asarray(derivative, np.float64).reshape(1, -1)

    begin = state.reshape(1, -1).astype(np.float64)
    solution = solve(field, begin, (0.0, float(told["end"])), tolerance)
    others = [
        name for name in predictor.contract["outputs"] if name != told["derivative"]
    ]
    feed = _feed(told, solution.state.reshape(shape), float(told["end"]))
    return solution, predictor(feed, *others)


def _feed(told: Mapping[str, Any], u: Floats, t: float) -> dict[str, NDArray[Any]]:
    """The file's inputs: states (B, D), and the time of each."""
    return {told["state"]: u, told["time"]: np.full((len(u), 1), t)}
