"""Small policies and rows for every compressor's test."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import yaml
from onnx import TensorProto, numpy_helper
from torch import Tensor

from tasks.artifacts.onnx_policy import build_model
from tasks.artifacts.params import build
from tasks.compress import Compressor
from tasks.compress.cores.rows import Rows
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import MLP
from tasks.worlds import WorldParams
from tasks.worlds.pendulum import Pendulum

torch.set_num_threads(1)  # what the stage does
SEEDS = (0, 1, 2)
PARAMS = Path(__file__).parents[2] / "params/compress"


def make_policy(
    hidden: tuple[int, ...] = (32, 32),
    head: str = "tanh",
    seeds: tuple[int, ...] = SEEDS,
    observation: int = 11,
    action: int = 3,
) -> Feedforward:
    """A random policy with large enough weights to use its actions' range."""
    outputs = action * (2 if head == "gaussian" else 1)
    net = MLP(seeds, "actor", (observation, *hidden, outputs))
    for layer in net.layers:
        layer.weight.data.mul_(2.5)
    policy = Feedforward(
        list(net.layers),
        head,
        torch.linspace(-1, 1, observation),
        torch.linspace(0.5, 2, observation),
        torch.full((action,), -2.0),
        torch.full((action,), 1.0),
    )
    return policy.requires_grad_(requires_grad=False)


def make_rows(count: int = 256, width: int = 11, **extra: Any) -> Rows:
    """Correlated observations: a few factors behind all dimensions."""
    draw = np.random.default_rng(0)
    factors = draw.standard_normal((count, 4)) @ draw.standard_normal((4, width))
    rows = factors + 0.2 * draw.standard_normal((count, width))
    fields = {"dataset": "made-up", "sha256": "ab" * 32, "seeds": SEEDS} | extra
    return Rows(torch.from_numpy(rows.astype(np.float32)), **fields)


def make_compressor(name: str, **changed: Any) -> Compressor:
    """One of params/compress/, with few rows and steps unless told otherwise."""
    block = yaml.safe_load((PARAMS / f"{name}.yaml").read_text())
    small = {
        "structured": {"steps": 40},
        "distill": {"steps": 150, "rounds": 0, "hidden": [16, 16]},
    }
    return build(block | small.get(name, {}) | changed, f"compress.{name}")


def make_pendulum() -> Pendulum:
    return Pendulum(WorldParams("pendulum", "Pendulum-v1", 200, -1500.0, 0.0, "no"))


def model_bytes(policy: Feedforward, k: int = 0) -> bytes:
    return build_model(policy, k).SerializeToString()


def session(policy: Feedforward, k: int, mode: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if mode == "exact":
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(
        model_bytes(policy, k), options, providers=["CPUExecutionProvider"]
    )


def onnx_difference(policy: Feedforward, observations: Tensor, mode: str) -> float:
    """Largest difference of torch and onnxruntime relative to max(1, |action|)."""
    stacked = observations.expand(policy.seeds, -1, -1)
    noise = torch.zeros(policy.seeds, len(observations), policy.action_width)
    wanted = policy(stacked, noise).detach().numpy()
    worst = 0.0
    for k in range(policy.seeds):
        feed = {"observation": observations.numpy()}
        if policy.head == "gaussian":
            feed["noise"] = noise[k].numpy()
        got = session(policy, k, mode).run(None, feed)[0]
        error = np.abs(got - wanted[k]) / np.maximum(1, np.abs(wanted[k]))
        worst = max(worst, float(error.max()))
    return worst


def float_bytes(policy: Feedforward, k: int = 0) -> dict[str, int]:
    """Bytes of each float initialiser of the file."""
    return {
        t.name: len(numpy_helper.to_array(t).tobytes())
        for t in build_model(policy, k).graph.initializer
        if t.data_type == TensorProto.FLOAT
    }


def same_tensors(one: Feedforward, other: Feedforward) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(
        torch.equal(left[name], right[name]) for name in left
    )
