"""ONNX files of predictors: named arrays in and out, no world and no action.

As a policy's file, one has a contract, inside and beside it, of ``kind`` ``predictor``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_check import MEND, PREDICTOR, SCHEMA, read_contract
from tasks.artifacts.onnx_policy import IR, OPSET, model_of
from tasks.artifacts.onnx_session import (
    checked_bytes,
    checked_mode,
    session_info,
    session_of,
)
from tasks.nets.graph import Graph

if TYPE_CHECKING:  # opening a file must not cost the import of torch
    from tasks.nets.predictor import Predictor, Value

Arrays = Mapping[str, NDArray[Any]]
ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
}
NUMPY_TYPES: dict[str, type[np.generic]] = {
    "float32": np.float32,
    "float64": np.float64,
    "int64": np.int64,
}


def build_predictor(predictor: "Predictor", k: int) -> onnx.ModelProto:
    """The ONNX graph of seed slice ``k``: standard operators, dynamic batch."""
    graph = Graph()
    predictor.emit(graph, k)
    inputs, outputs = (
        [_value_info(name, value) for name, value in side.items()]
        for side in (predictor.inputs(), predictor.outputs())
    )
    return model_of(graph, inputs, outputs)


def _value_info(name: str, value: "Value") -> onnx.ValueInfoProto:
    shape: list[str | int | None] = ["batch", *value.shape]
    return helper.make_tensor_value_info(name, ONNX_TYPES[value.dtype], shape)


def predictor_contract(
    predictor: "Predictor", k: int, origin: Mapping[str, Any], mode: str
) -> dict[str, Any]:
    """What a file says of itself, without the parity result and the file's hash.

    Args:
        predictor: All seeds stacked.
        k: The slice that becomes the file.
        origin: What the predictor was made of, as policy.json keeps it, with
            ``weights_sha256`` and ``statistics_sha256``.
        mode: ``exact`` or ``native``, as of a policy.
    """
    inputs, outputs = (
        {
            name: {"shape": ["batch", *value.shape], "dtype": value.dtype}
            for name, value in side.items()
        }
        for side in (predictor.inputs(), predictor.outputs())
    )
    return {
        "schema": SCHEMA,
        "kind": PREDICTOR,
        "inputs": inputs,
        "outputs": outputs,
        "carry": {},
        **predictor.told(),
        "dataset": {"name": origin["dataset"], "sha256": origin["dataset_sha256"]},
        "learner": origin["learner"],
        "variant": origin.get("variant", "float32"),
        "made_by": list(origin["made_by"]),
        "seed": origin["seeds"][k],
        "weights_sha256": origin["weights_sha256"],
        "statistics_sha256": origin["statistics_sha256"],
        "opset": OPSET,
        "ir": IR,
        "mode": mode,
    }


class OnnxPredictor:
    """A verified ONNX predictor, ready to be asked.

    Attributes:
        contract: What the file says of itself.
        mode: ``exact`` or ``native``.
        threads: Threads of onnxruntime, 1 unless asked.
        calls: How often the file has run so far.
    """

    def __init__(
        self, model: bytes, contract: Mapping[str, Any], mode: str, threads: int = 1
    ) -> None:
        self.session = session_of(model, mode, threads)
        self.contract, self.mode, self.threads = dict(contract), mode, threads
        self.calls = 0

    @classmethod
    def open(cls, path: Path, mode: str | None = None, threads: int = 1) -> Self:
        """Open a file after checking it.

        Args:
            path: The .onnx file; its contract lies beside it.
            mode: ``exact`` or ``native``; None takes the contract's.
            threads: Threads of onnxruntime.

        Raises:
            RefusedError: If it is the file of a policy, or for what one is refused for.
        """
        contract = read_contract(path.with_suffix(".json"))
        if contract.get("kind") != PREDICTOR:
            mend = "ask its return: leave --metric out"
            raise RefusedError(path, "kind", "a policy", f"a {PREDICTOR}", mend)
        data = checked_bytes(path, contract)
        mode = checked_mode(path, mode or contract["mode"])
        try:
            return cls(data, contract, mode, threads)
        except Exception as error:  # onnxruntime raises several kinds
            runs = "a graph onnxruntime runs"
            raise RefusedError(path, "graph", error, runs, MEND) from error

    def __call__(self, inputs: Arrays, *names: str) -> dict[str, NDArray[Any]]:
        """Outputs for B rows.

        Args:
            inputs: By the names of the contract's inputs, (B, ...) each; others are not
                looked at.
            *names: Of the outputs wanted; without any, all.

        Raises:
            RefusedError: If an input is missing or has another shape.
        """
        feed = {}
        for name, entry in self.contract["inputs"].items():
            value = inputs.get(name)
            found = "nothing" if value is None else value.shape[1:]
            if value is None or list(value.shape[1:]) != entry["shape"][1:]:
                where = f"inputs.{name}"
                raise RefusedError(
                    self.contract["learner"],
                    where,
                    found,
                    tuple(entry["shape"][1:]),
                    "give it the arrays of the dataset it was trained on",
                )
            kind = NUMPY_TYPES[entry["dtype"]]
            feed[name] = np.ascontiguousarray(value, kind)
        self.calls += 1
        wanted = list(names or self.contract["outputs"])
        return dict(zip(wanted, self.session.run(wanted, feed), strict=True))

    def session_info(self) -> dict[str, Any]:
        """How the session runs, for the record."""
        return session_info(self.mode, self.threads)
