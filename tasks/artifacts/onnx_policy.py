"""ONNX policies: written with a contract, opened only if everything fits.

The contract says what goes in, what comes out and what the file was made of. It stands
in the file (``metadata_props``, key ``offcut.contract``) and, with the file's own hash,
as JSON beside it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256, write_json
from tasks.nets.graph import Graph

if TYPE_CHECKING:  # opening a file must not cost the import of torch
    from tasks.nets.policy import Policy

SCHEMA = 1
OPSET, IR = 21, 10  # onnxruntime 1.31 takes at most opset 26 and IR 13
KEY = "offcut.contract"
MODES = ("exact", "native")
MEND = "make it again with: dvc repro"
# what opening needs; evaluate and profile compare the rest with what they expect
REQUIRED = ("inputs", "outputs", "carry", "mode", "onnx_sha256")

Floats = NDArray[np.float32]


def build_model(policy: "Policy", k: int) -> onnx.ModelProto:
    """The ONNX graph of seed slice ``k``: standard operators, dynamic batch."""
    graph = Graph()
    output = policy.emit(graph, k)
    inputs = [_value(name, width) for name, width in policy.inputs().items()]
    outputs = [_value(output, policy.action_width)]
    body = helper.make_graph(
        graph.nodes, "policy", inputs, outputs, initializer=graph.initialisers
    )
    model: onnx.ModelProto = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="offcut"
    )
    model.ir_version = IR
    onnx.checker.check_model(model, full_check=True)
    return model


def _value(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])


def contract_of(
    policy: "Policy", k: int, origin: Mapping[str, Any], mode: str
) -> dict[str, Any]:
    """What a file says of itself, without the parity result and the file's hash.

    Args:
        policy: All seeds stacked.
        k: The slice that becomes the file.
        origin: As :func:`tasks.artifacts.policy.save_policy` keeps it, with
            ``weights_sha256`` and ``statistics_sha256``.
        mode: ``exact`` (weights dequantised, float arithmetic) or ``native``
            (onnxruntime's integer kernels).
    """
    low = policy.action_offset - policy.action_scale
    high = policy.action_offset + policy.action_scale
    return {
        "schema": SCHEMA,
        "inputs": {
            name: {"shape": ["batch", width], "dtype": "float32"}
            for name, width in policy.inputs().items()
        },
        "outputs": {
            "action": {
                "shape": ["batch", policy.action_width],
                "low": low.tolist(),
                "high": high.tolist(),
            }
        },
        "carry": {},
        "step_seconds": origin["step_seconds"],
        "world": origin["world"],
        "env_id": origin["env_id"],
        "dataset": {"name": origin["dataset"], "sha256": origin["dataset_sha256"]},
        "learner": origin["learner"],
        "variant": origin.get("variant", "float32"),
        "seed": origin["seeds"][k],
        "weights_sha256": origin["weights_sha256"],
        "statistics_sha256": origin["statistics_sha256"],
        "opset": OPSET,
        "ir": IR,
        "mode": mode,
    }


def write_onnx(path: Path, model: onnx.ModelProto, contract: Mapping[str, Any]) -> None:
    """Write a model with its contract inside, and the contract beside it."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(contract, sort_keys=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    write_json(path.with_suffix(".json"), {**contract, "onnx_sha256": sha256(path)})


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
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if mode == "exact":
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self.contract, self.mode, self.threads = dict(contract), mode, threads
        self._noise = contract["inputs"].get("noise")

    @classmethod
    def open(cls, path: Path, mode: str | None = None, threads: int = 1) -> Self:
        """Open a file after checking it.

        Args:
            path: The .onnx file; its contract lies beside it.
            mode: ``exact`` or ``native``; None takes the contract's.
            threads: Threads of onnxruntime.

        Raises:
            RefusedError: If a file is missing, the hash or the contract does not fit,
                the graph holds external data or operators outside the standard
                domain, or needs a newer opset than onnxruntime runs.
        """
        contract = _read_contract(path.with_suffix(".json"))
        found = sha256(path) if path.exists() else "nothing"
        if found != contract["onnx_sha256"]:
            raise RefusedError(path, "sha256", found, contract["onnx_sha256"], MEND)
        data = path.read_bytes()
        _check_model(path, data, contract)
        mode = mode or contract["mode"]
        if mode not in MODES:
            raise RefusedError(path, "mode", mode, " or ".join(MODES), MEND)
        try:
            return cls(data, contract, mode, threads)
        except Exception as error:  # onnxruntime raises several kinds
            expected = "a graph onnxruntime runs"
            raise RefusedError(path, "graph", error, expected, MEND) from error

    def act(
        self, observation: NDArray[Any], noise: NDArray[Any] | None = None
    ) -> Floats:
        """Actions for a batch of observations.

        Args:
            observation: (B, O), units of the world.
            noise: (B, A), standard normal; zeros (the deterministic action) if None.
                Ignored by a policy without a noise input.

        Returns:
            (B, A), float32, inside the world's bounds.
        """
        feed = {"observation": np.ascontiguousarray(observation, np.float32)}
        if self._noise:
            width = self._noise["shape"][1]
            if noise is None:
                noise = np.zeros((len(observation), width))
            feed["noise"] = np.ascontiguousarray(noise, np.float32)
        action: Floats = self.session.run(["action"], feed)[0]
        return action

    def session_info(self) -> dict[str, Any]:
        """How the session runs, for the record."""
        return {
            "onnxruntime": onnxruntime.__version__,
            "provider": "CPUExecutionProvider",
            "mode": self.mode,
            "threads": self.threads,
            "optimisation": "all",
        }


def _check_model(path: Path, data: bytes, contract: Mapping[str, Any]) -> None:
    """Refuse a graph that is not what its contract says, or could reach outside."""
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf raises several kinds
        raise RefusedError(
            path, "content", str(error), "an ONNX model", MEND
        ) from error
    for node in _nodes(model.graph):
        if node.domain not in ("", "ai.onnx"):
            raise RefusedError(
                path,
                f"node {node.name or node.op_type}",
                f"the operator {node.domain}.{node.op_type}",
                "operators of the standard domain only",
                "export the policy with standard operators",
            )
    for tensor in _tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            where = {e.key: e.value for e in tensor.external_data}.get("location")
            raise RefusedError(
                path,
                f"initialiser {tensor.name}",
                f"external data in {where}",
                "all data inside the file",
                "save the model as one file",
            )
    inside = _inside(model)
    beside = {k: v for k, v in contract.items() if k != "onnx_sha256"}
    keys = [k for k in inside | beside if inside.get(k) != beside.get(k)]
    if keys:
        found = f"other values for {', '.join(sorted(keys))}"
        raise RefusedError(path, KEY, found, "those beside it", MEND)
    opset = max((entry.version for entry in model.opset_import), default=0)
    if opset > 26 or model.ir_version > 13:
        found = f"{opset} / {model.ir_version}"
        raise RefusedError(path, "opset / IR", found, "at most 26 / 13", MEND)
    ends = (("inputs", model.graph.input), ("outputs", model.graph.output))
    has = {
        f"{field}.{v.name}.shape": [d.dim_value for d in v.type.tensor_type.shape.dim]
        for field, values in ends
        for v in values
    }
    said = {
        f"{field}.{name}.shape": [0, *entry["shape"][1:]]  # 0: any batch
        for field, _ in ends
        for name, entry in contract[field].items()
    }
    for name in has | said:
        if has.get(name) != said.get(name):
            raise RefusedError(path, name, has.get(name), said.get(name), MEND)


def _read_contract(path: Path) -> dict[str, Any]:
    """The contract beside a file, with its schema, keys and shapes checked."""
    contract = read_json(path, "dvc repro")
    schema = contract.get("schema") if isinstance(contract, dict) else "no object"
    if schema != SCHEMA:
        raise RefusedError(path, "schema", schema, SCHEMA, MEND)
    for key in REQUIRED:
        if key not in contract:
            raise RefusedError(path, key, "nothing", "a value", MEND)
    for field in ("inputs", "outputs"):
        try:
            fits = all(e["shape"][0] == "batch" for e in contract[field].values())
        except (AttributeError, IndexError, KeyError, TypeError):
            fits = False
        if not fits:
            raise RefusedError(
                path, field, contract[field], "shapes [batch, width]", MEND
            )
    return dict(contract)


def _inside(model: onnx.ModelProto) -> dict[str, Any]:
    """The contract a model carries; nothing where it carries none."""
    text = {p.key: p.value for p in model.metadata_props}.get(KEY, "{}")
    try:
        contract = json.loads(text)
    except ValueError:
        contract = {}
    return contract if isinstance(contract, dict) else {}


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """All nodes, those of sub-graphs (If, Loop) included."""
    found = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            found += [n for g in (attribute.g, *attribute.graphs) for n in _nodes(g)]
    return found


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """All initialisers and constants, those of sub-graphs included."""
    found = list(graph.initializer)
    for sparse in graph.sparse_initializer:
        found += [sparse.values, sparse.indices]
    for node in graph.node:
        for attribute in node.attribute:
            found += [attribute.t, *attribute.tensors]
            found += [t for g in (attribute.g, *attribute.graphs) for t in _tensors(g)]
    return found
