"""Solving an ODE or SDE whose fields are an ONNX file; the file's calls are counted.

The contract's ``solve`` says which outputs are the fields of which input, over which
time, and how exactly. Every batch of rows meets the same paths of W, whatever the file:
variants and seeds are compared on these.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_predictor import OnnxPredictor
from tasks.nets import heun, tsit5
from tasks.nets.tsit5 import Floats, Tolerance

NUMBER = (int, float)
COMMON: dict[str, Any] = {
    "reads": str, "state": str, "derivative": str,
    "end": NUMBER, "atol": NUMBER, "rtol": NUMBER,
}  # fmt: skip
KEYS = {"ode": {**COMMON, "time": str}, "sde": {**COMMON, "noise": str}}
Told = Mapping[str, Any]


def flow_of(predictor: OnnxPredictor) -> Told | None:
    """What a contract says of its flow; None of a file that answers in one call.

    Raises:
        RefusedError: If it says something else than a flow.
    """
    told = predictor.contract.get("solve")
    if told is None:
        return None
    kind = told.get("kind")
    keys = KEYS.get(kind, {"kind": type(None)})
    for key, expected in keys.items():
        if not isinstance(told.get(key), expected):
            where, mend = predictor.contract["learner"], "make it again with: dvc repro"
            said = f"a flow: {' or '.join(KEYS)}, each with its names and numbers"
            raise RefusedError(where, f"solve.{key}", told.get(key), said, mend)
    return dict(told)


def flowed(
    predictor: OnnxPredictor, told: Told, rows: Mapping[str, NDArray[Any]]
) -> tuple[int, dict[str, NDArray[Any]]]:
    """Solve for some rows as one system.

    Args:
        predictor: The file.
        told: What its contract says of the flow.
        rows: The dataset's arrays, (B, ...) each.

    Returns:
        How often the fields were evaluated, and the other outputs at the end.

    Raises:
        RefusedError: If the solver gives up, or there are no rows.
    """
    state = rows[told["reads"]]
    begin = state.reshape(len(state), -1).astype(np.float64)
    solved = _ode if told["kind"] == "ode" else _sde
    end, evaluations = solved(predictor, told, begin)
    fields = {told["derivative"], told.get("noise")}
    others = [name for name in predictor.contract["outputs"] if name not in fields]
    feed = _feed(told, end, float(told["end"]))
    return evaluations, predictor(feed, *others)


def _ode(predictor: OnnxPredictor, told: Told, begin: Floats) -> tuple[Floats, int]:
    """The state at the end (B, D), by Tsit5, and the evaluations."""

    def field(u: Floats, t: Floats) -> Floats:
        feed, name = _feed(told, u.reshape(begin.shape), t[0]), told["derivative"]
        return np.asarray(predictor(feed, name)[name], np.float64).reshape(1, -1)

    ends = 0.0, float(told["end"])
    found = tsit5.solve(field, begin.reshape(1, -1), ends, _tolerance(told))
    return found.state.reshape(begin.shape), int(found.evaluations[0])


def _sde(predictor: OnnxPredictor, told: Told, begin: Floats) -> tuple[Floats, int]:
    """The state at the end (B, D), by Lamba's method, and the evaluations."""
    names, end = (told["derivative"], told["noise"]), float(told["end"])

    def fields(u: Floats) -> tuple[Floats, Floats]:
        out = predictor(_feed(told, u.reshape(begin.shape), 0.0), *names)
        f, g = (np.asarray(out[n], np.float64).reshape(1, -1) for n in names)
        return f, g

    shape = (1, heun.CELLS, begin.size)
    w = heun.path(np.random.default_rng(0).standard_normal(shape), end)
    found = heun.solve(fields, begin.reshape(1, -1), w, end, _tolerance(told))
    return found.state.reshape(begin.shape), int(found.evaluations[0])


def _tolerance(told: Told) -> Tolerance:
    return Tolerance(float(told["atol"]), float(told["rtol"]))


def _feed(told: Told, u: Floats, t: float) -> dict[str, NDArray[Any]]:
    """The file's inputs: states (B, D), and the time of each where it reads one."""
    feed = {told["state"]: u}
    return {**feed, told["time"]: np.full((len(u), 1), t)} if "time" in told else feed
