"""The normaliser and the bounds of a graph: folded where nothing is lost."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from tasks.artifacts.onnx_policy import build_model
from tasks.nets.conditioned import Conditioned
from tasks.nets.ends import emit_bounded, emit_first, emit_normalised
from tasks.nets.feedforward import Feedforward
from tasks.nets.graph import Graph
from tasks.nets.layers import MLP
from tests.nets.diffusions import diffusion

DRAW = torch.Generator().manual_seed(0)
WEIGHT = 0.4 * torch.randn(5, 16, generator=DRAW)
BIAS = torch.randn(16, generator=DRAW)
STD = torch.tensor([0.1, 0.5, 1.0, 3.0, 10.0])


def model_of(graph: Graph, out: str) -> onnx.ModelProto:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None])
        for name in ("x", out)
    ]
    body = helper.make_graph(graph.nodes, "g", ends[:1], ends[1:], graph.initialisers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    return model


def run(model: onnx.ModelProto, **feed: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {name: x.numpy() for name, x in feed.items()})[0]


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4])
def test_a_first_layer_holds_the_normaliser_to_1e_6(offset: float):
    """Whose mean is 1e4 deviations away keeps a Sub; folded it would lose 1e-4."""
    mean = offset * STD
    graph = Graph()
    out = emit_first(graph, "x", WEIGHT, BIAS, mean, STD, "layer0")
    operators = [node.op_type for node in graph.nodes]
    assert operators == ["Sub", "Gemm"] if offset > 100 else ["Gemm"]
    x = mean + STD * torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
    # of the very numbers that go in, which are float32
    exact = (x.double() - mean.double()) / STD.double() @ WEIGHT.double() + BIAS
    scale = np.maximum(1, np.abs(exact.numpy()))
    error = np.abs(run(model_of(graph, out), x=x) - exact.numpy()) / scale
    assert error.max() < 1e-6
    folded = x @ (WEIGHT / STD[:, None]) + (BIAS - mean / STD @ WEIGHT)
    lost = (np.abs((folded - exact).numpy()) / scale).max()
    assert (lost > 1e-4) == (offset > 100)


@pytest.mark.parametrize("offset", [1.0, 1e4])
def test_whole_policies_act_as_torch_does(offset: float):
    """To 1e-6, with a mean at one and at 1e4 deviations."""
    mean, std = offset * STD, STD
    bounds = torch.full((3,), -2.0), torch.full((3,), 1.0)
    x = mean + std * torch.randn(1, 64, 5, generator=torch.Generator().manual_seed(1))
    layers = list(MLP([0], "actor", (5, 32, 32, 3)).layers)
    policy = Feedforward(layers, "tanh", mean, std, *bounds)
    with torch.no_grad():
        wanted = policy(x)[0]
        got = run(build_model(policy, 0), observation=x[0])
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)
        ends = torch.zeros(2), torch.ones(2)
        layers = list(MLP([0], "actor", (7, 32, 3)).layers)
        told = Conditioned(layers, mean, std, *bounds, *ends)
        aims = torch.rand(1, 64, 2)
        got = run(build_model(told, 0), observation=x[0], descriptor=aims[0])
        np.testing.assert_allclose(got, told(x, aims)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [0, 5])
def test_a_diffusion_policy_whose_mean_is_far_off_keeps_its_precision(steps: int):
    policy = diffusion(steps, (0,))
    policy.observation_mean.fill_(1e4).mul_(policy.observation_std)
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(1, 64, 11, generator=draw)
    x = policy.observation_mean + policy.observation_std * x
    noise = torch.randn(1, 64, policy.inputs()["noise"], generator=draw)
    got = run(build_model(policy, 0), observation=x[0], noise=noise[0])
    np.testing.assert_allclose(got, policy(x, noise)[0], rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("scale", "offset", "operators", "numbers"),
    [
        ([1.0, 1.0], [0.0, 0.0], ["Identity"], 0),
        ([2.0, 2.0], [0.0, 0.0], ["Mul", "Identity"], 1),
        ([1.0, 1.0], [0.5, 0.5], ["Add", "Identity"], 1),
        ([1.0, 2.0], [0.5, 0.0], ["Mul", "Add", "Identity"], 4),
    ],
)
def test_bounds_that_do_nothing_are_no_nodes(
    scale: list[float], offset: list[float], operators: list[str], numbers: int
):
    graph = Graph()
    emit_bounded(graph, "x", torch.tensor(scale), torch.tensor(offset))
    assert [node.op_type for node in graph.nodes] == operators
    sizes = (int(np.prod(t.dims)) for t in graph.initialisers)
    assert sum(sizes) == numbers
    x = torch.randn(4, 2)
    wanted = x * torch.tensor(scale) + torch.tensor(offset)
    np.testing.assert_array_equal(run(model_of(graph, "action"), x=x), wanted)


def test_a_normaliser_that_does_nothing_is_no_node():
    graph = Graph()
    assert emit_normalised(graph, "x", torch.zeros(3), torch.ones(3)) == "x"
    assert graph.nodes == []
    emit_normalised(graph, "x", torch.zeros(3), torch.full((3,), 2.0))
    assert Counter(node.op_type for node in graph.nodes) == {"Div": 1}
