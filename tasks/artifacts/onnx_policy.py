"""ONNX policies: written with a contract, opened only if everything fits.

The contract says what goes in, what comes out and what the file was made of: dataset,
weights, and parameters and code of every method that had a part in it (``made_by``: the
learner, the compressors in their order, a sampler). It stands in the file
(``metadata_props``, key ``offcut.contract``) and, with its hash, as JSON beside it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tasks.artifacts.actions import check_legal
from tasks.artifacts.density import HEAD
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256, write_json
from tasks.artifacts.onnx_check import KEY, MEND, SCHEMA, read_contract
from tasks.artifacts.onnx_session import (
    checked_bytes,
    checked_mode,
    session_info,
    session_of,
)
from tasks.nets.graph import Graph
from tasks.nets.tidy import tidied

if TYPE_CHECKING:  # opening a file must not cost the import of torch
    from tasks.nets.policy import Policy

OPSET, IR = 21, 10  # onnxruntime 1.31 takes at most opset 26 and IR 13

Floats = NDArray[np.float32]


def build_model(policy: "Policy", k: int, *, folds: bool = True) -> onnx.ModelProto:
    """The ONNX graph of seed slice ``k``: standard operators, dynamic batch.

    ``folds``: a first layer of floats holds the normaliser. Actions move by 1e-7.
    """
    graph = Graph(folds)
    policy.emit(graph, k)
    carry = {name: entry.shape for name, entry in policy.carry().items()}
    inputs = [_value(name, (width,)) for name, width in policy.inputs().items()]
    inputs += [_value(name, shape) for name, shape in carry.items()]
    outputs = [
        _value(name, () if width is None else (width,), whole=width is None)
        for name, width in policy.outputs().items()
    ]
    outputs += [_value(f"next_{name}", shape) for name, shape in carry.items()]
    return model_of(graph, inputs, outputs)


def model_of(
    graph: Graph,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The model of a graph that holds all nodes."""
    ends, kept = ([value.name for value in values] for values in (outputs, inputs))
    nodes, initialisers = tidied(graph, ends, [*kept, *HEAD], OPSET)
    body = helper.make_graph(nodes, "policy", inputs, outputs, initialisers)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, opset_imports=opset, ir_version=IR)
    model.producer_name = "offcut"
    onnx.checker.check_model(model, full_check=True)
    return model


def _value(
    name: str, shape: tuple[int, ...], whole: bool = False
) -> onnx.ValueInfoProto:
    kind = TensorProto.INT64 if whole else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, ["batch", *shape])


def _inputs(policy: "Policy") -> dict[str, Any]:
    """The contract's inputs; of noise also with which it is played, if not zeros."""
    noise = {"acting": policy.acting} if policy.acting != "zero" else {}
    return {
        name: {"shape": ["batch", width], "dtype": "float32"}
        | (noise if name == "noise" else {})
        for name, width in policy.inputs().items()
    }


def _outputs(policy: "Policy") -> dict[str, Any]:
    """The contract's outputs: bounds of a continuous action, of a discrete one A."""
    outputs: dict[str, Any] = {}
    for name, width in policy.outputs().items():
        if name != "action":
            outputs[name] = {"shape": ["batch", width], "dtype": "float32"}
        elif width is None:
            number = {"dtype": "int64", "n": policy.action_width}
            outputs[name] = {"shape": ["batch"], **number}
        else:
            low = (policy.action_offset - policy.action_scale).tolist()
            high = (policy.action_offset + policy.action_scale).tolist()
            outputs[name] = {"shape": ["batch", width], "low": low, "high": high}
    return outputs


def contract_of(
    policy: "Policy", k: int, origin: Mapping[str, Any], mode: str
) -> dict[str, Any]:
    """What a file says of itself, without the parity result and the file's hash.

    Args:
        policy: All seeds stacked.
        k: The slice that becomes the file.
        origin: What the policy was made of, as policy.json keeps it (``made_by``
            included), with ``weights_sha256`` and ``statistics_sha256``.
        mode: ``exact`` (weights dequantised, float arithmetic) or ``native``
            (onnxruntime's integer kernels).
    """
    return {
        "schema": SCHEMA,
        "inputs": _inputs(policy),
        "outputs": _outputs(policy),
        "carry": {
            name: {"shape": ["batch", *entry.shape], "reset": entry.reset}
            for name, entry in policy.carry().items()
        },
        "step_seconds": origin["step_seconds"],
        "world": origin["world"],
        "env_id": origin["env_id"],
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
        **{key: origin[key] for key in ("adopted", "learned") if key in origin},
    }


def write_onnx(path: Path, model: onnx.ModelProto, contract: Mapping[str, Any]) -> None:
    """Write a model with its contract inside, and the contract beside it."""
    del model.metadata_props[:]
    text = json.dumps(contract, sort_keys=True, separators=(",", ":"))
    model.metadata_props.add(key=KEY, value=text)
    path.write_bytes(model.SerializeToString(deterministic=True))
    write_json(path.with_suffix(".json"), {**contract, "onnx_sha256": sha256(path)})


def _with_head(data: bytes) -> bytes:
    """The same graph with the values of a gaussian head as outputs, if it has them."""
    model = onnx.ModelProto.FromString(data)
    values = {name for node in model.graph.node for name in node.output}
    values |= {entry.name for entry in model.graph.input}
    if not {*HEAD, "noise"} <= values:
        return data
    width = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    model.graph.output.extend(_value(name, (width,)) for name in HEAD)
    return bytes(model.SerializeToString(deterministic=True))


class OnnxPolicy:
    """A verified ONNX policy, ready to act.

    Attributes:
        contract: What the file says of itself.
        mode: ``exact`` or ``native``.
        threads: Threads of onnxruntime, 1 unless asked.
    """

    def __init__(
        self, model: bytes, contract: Mapping[str, Any], mode: str, threads: int = 1
    ) -> None:
        self.session = session_of(model, mode, threads)
        self.contract, self.mode, self.threads = dict(contract), mode, threads
        self._carry = contract["carry"]
        self._outputs = [output.name for output in self.session.get_outputs()]

    @classmethod
    def open(
        cls,
        path: Path,
        mode: str | None = None,
        threads: int = 1,
        *,
        distribution: bool = False,
    ) -> Self:
        """Open a file after checking it.

        Args:
            path: The .onnx file; its contract lies beside it.
            mode: ``exact`` or ``native``; None takes the contract's.
            threads: Threads of onnxruntime.
            distribution: Also give mean and log std of a gaussian head as outputs; a
                file without such a head opens as ever.

        Raises:
            RefusedError: If a file is missing, the hash or the contract does not fit,
                the graph holds external data or operators outside the standard
                domain, or needs a newer opset than onnxruntime runs.
        """
        contract = read_contract(path.with_suffix(".json"))
        if kind := contract.get("kind"):
            mend = "ask it for a metric: a predictor acts nowhere"
            raise RefusedError(path, "kind", f"a {kind}", "a policy", mend)
        data = checked_bytes(path, contract)
        if distribution:
            data = _with_head(data)
        mode = checked_mode(path, mode or contract["mode"])
        try:
            return cls(data, contract, mode, threads)
        except Exception as error:  # onnxruntime raises several kinds
            runs = "a graph onnxruntime runs"
            raise RefusedError(path, "graph", error, runs, MEND) from error

    def act(
        self,
        observation: NDArray[Any],
        noise: NDArray[Any] | None = None,
        legal: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Actions of a policy that carries nothing, for a batch of observations.

        Args:
            observation: (B, O), units of the world.
            noise: (B, n * A), standard normal; zeros (the action without chance) if
                None. Ignored by a policy without a noise input.
            legal: (B, A), 1.0 where an action is allowed; all are if None. Ignored by
                a policy without that input.

        Returns:
            (B, A), float32, inside the world's bounds, or their numbers (B,), int64.
        """
        inputs = {"observation": observation, "noise": noise, "legal": legal}
        present = {name: x for name, x in inputs.items() if x is not None}
        return self.step(present, {})[0]["action"]

    def step(
        self, inputs: Mapping[str, NDArray[Any]], carry: Mapping[str, NDArray[Any]]
    ) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """One step of B episodes.

        Args:
            inputs: By the names of the contract's inputs, (B, width) each; others are
                not looked at; noise that is missing is zero, and a mask that is missing
                allows all.
            carry: By the names of the contract's carry; what the step before returned,
                or what :meth:`reset` gives.

        Returns:
            Outputs by name, ``action`` (B, A) or (B,) among them, and the next carry.

        Raises:
            RefusedError: If a mask forbids every action.
        """
        rows = len(inputs["observation"])
        feed = {}
        for name, entry in self.contract["inputs"].items():
            value = inputs.get(name)
            if value is None:  # deterministic, all allowed
                fill = 1.0 if name == "legal" else 0.0
                value = np.full((rows, *entry["shape"][1:]), fill)
            elif name == "legal":
                check_legal(value, "policy")
            feed[name] = np.ascontiguousarray(value, np.float32)
        feed |= {name: np.ascontiguousarray(carry[name]) for name in self._carry}
        outputs = dict(zip(self._outputs, self.session.run(None, feed), strict=True))
        after = {name: outputs.pop(f"next_{name}") for name in self._carry}
        return outputs, after

    def reset(self, rows: int) -> dict[str, Floats]:
        """The carry with which episodes begin."""
        return {
            name: np.full((rows, *entry["shape"][1:]), entry["reset"], np.float32)
            for name, entry in self._carry.items()
        }

    @property
    def acting(self) -> str:
        """The noise it is played with, ``zero`` or ``normal``; unsaid: ``zero``."""
        return str(self.contract["inputs"].get("noise", {}).get("acting", "zero"))

    @property
    def has_head(self) -> bool:
        """Whether a step also gives what its actions are sampled from."""
        return set(HEAD) <= set(self._outputs)

    def session_info(self) -> dict[str, Any]:
        """How the session runs, for the record."""
        return session_info(self.mode, self.threads)
