"""Samplers on small schedules: made from params/, run in torch and in onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from onnx import TensorProto, helper
from torch import Tensor

from tasks.artifacts.params import build
from tasks.export import Sampler
from tasks.export.cores.schedule import Schedule
from tasks.nets.graph import Graph
from tasks.nets.layers import Linear
from tasks.nets.sampling import Plan, run
from tasks.nets.sampling_graph import emit

torch.set_num_threads(1)
ROOT = Path(__file__).parents[2]
METHODS = ("ddim", "ddpm", "dpm_solver", "unipc", "deis", "dc_solver")
LINEAR = Schedule.of(np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)))
# squared cosine, betas capped at 0.999 (Nichol & Dhariwal 2021), 100 times
_f = np.cos((np.arange(101) / 100 + 0.008) / 1.008 * np.pi / 2) ** 2
COSINE = Schedule.of(np.cumprod(1 - np.minimum(1 - _f[1:] / _f[:-1], 0.999)))
TABLE = {"end": "table", "clip": False}


def make(name: str, **changes: Any) -> Any:
    """A sampler of params/export, with changes."""
    path = ROOT / f"params/export/{name}.yaml"
    block = yaml.safe_load(path.read_text(encoding="utf-8"))
    made: Sampler = build(block | changes, f"export.{name}")
    return made


def smooth(x: Tensor, time: float) -> Tensor:
    """A made-up noise prediction: smooth in x and time, of any width."""
    return torch.tanh(x * 0.7 + 0.3 * x.roll(1, -1)) * (0.9 + 0.1 * np.cos(time / 300))


def noise(count: int, rows: int = 6, width: int = 3, seed: int = 0) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return list(torch.randn(count, 1, rows, width, generator=draw, dtype=torch.float64))


def sample(plan: Plan, network: Any = smooth, kind: str = "noise") -> Tensor:
    """In float64, always from the same noise."""
    return run(plan, network, kind, noise(plan.noises))


def in_onnx(plan: Plan, noises: Sequence[Tensor]) -> tuple[np.ndarray, Tensor]:
    """The samples of onnxruntime and of torch, of a small network of x and time."""
    width = noises[0].shape[-1]
    layers = [Linear(1, width, 16), Linear(1, 16, width)]
    draws = [torch.Generator().manual_seed(0)]
    for layer in layers:
        layer.initialise(draws)

    def network(x: Tensor, time: float) -> Tensor:
        return layers[1](torch.tanh(layers[0](x) + np.float32(time / 1000)))

    def emitted(graph: Graph, x: str, time: float, at: str) -> str:
        hidden = layers[0].emit(graph, x, 0, "in")
        told = np.array([time / 1000], np.float32)
        with graph.again(""):  # a constant of its own each call
            clock = graph.constant(f"{at}_time", told)
        shifted = graph.add("Add", hidden, clock, name="shifted")
        hidden = graph.add("Tanh", shifted, name="hidden")
        return layers[1].emit(graph, hidden, 0, "out")

    graph, names = Graph(), [f"z{i}" for i in range(plan.noises)]
    last = emit(plan, graph, emitted, "noise", names)
    graph.add("Identity", last, name="action")
    values = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", width])
        for n in (*names, "action")
    ]
    body = helper.make_graph(
        graph.nodes, "g", values[:-1], values[-1:], initializer=graph.initialisers
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = {n: z[0].float().numpy() for n, z in zip(names, noises, strict=True)}
    with torch.no_grad():
        wanted = run(plan, network, "noise", [z.float() for z in noises])[0]
    return session.run(None, given)[0], wanted
