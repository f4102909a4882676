import math

import numpy as np
import onnxruntime
import pytest
import torch

from tasks.artifacts.seeding import generator
from tasks.nets.graph import Graph
from tasks.nets.layers import MLP, Linear
from tests.nets.harness import run_layer


def made(stack: int, inputs: int, outputs: int) -> Linear:
    layer = Linear(stack, inputs, outputs)
    layer.initialise([generator(seed, "test") for seed in range(stack)])
    return layer.requires_grad_(requires_grad=False)


@pytest.mark.parametrize("outputs", [1, 5])
def test_a_stack_is_its_slices_side_by_side(outputs: int):
    layer, x = made(3, 7, outputs), torch.randn(3, 4, 7)
    for k in range(3):
        wanted = x[k] @ layer.weight[k] + layer.bias[k]
        torch.testing.assert_close(layer(x)[k], wanted)


@pytest.mark.parametrize("outputs", [1, 5])
def test_the_onnx_nodes_do_what_forward_does(outputs: int):
    layer, x = made(3, 7, outputs), torch.randn(3, 4, 7)
    for k in range(3):
        got = run_layer(layer, x[k].numpy(), k, "exact")
        np.testing.assert_allclose(got, layer(x)[k].numpy(), atol=1e-6)


def test_a_slice_is_drawn_from_its_own_seed():
    together, alone = MLP((3, 8), "net", (4, 6, 2)), MLP((8,), "net", (4, 6, 2))
    for one, other in zip(together.layers, alone.layers, strict=True):
        assert torch.equal(one.weight[1:], other.weight)
        assert torch.equal(one.bias[1:], other.bias)
        assert not torch.equal(one.weight[0], one.weight[1])
    other_name = MLP((8,), "another", (4, 6, 2))
    assert not torch.equal(other_name.layers[0].weight, alone.layers[0].weight)


def test_weights_lie_within_torchs_bound():
    layer = made(2, 400, 50)
    bound = 1 / math.sqrt(400)
    assert layer.weight.abs().max() <= bound
    assert layer.weight.abs().max() > 0.99 * bound
    assert layer.bias.abs().max() <= bound


def test_an_ensemble_has_members_of_its_own():
    net = MLP((0, 1), "net", (4, 6, 2), members=3)
    y = net(torch.randn(2, 5, 4))
    assert y.shape == (2, 3, 5, 2)
    assert not torch.allclose(y[:, 0], y[:, 1])


def single(net: MLP, k: int, norm: str) -> torch.nn.Sequential:
    """Slice k of a stack from torch's own modules."""
    modules: list[torch.nn.Module] = []
    for i, layer in enumerate(net.layers):
        linear = torch.nn.Linear(layer.inputs, layer.outputs)
        linear.weight.data, linear.bias.data = layer.weight[k].T, layer.bias[k, 0]
        modules.append(linear)
        if i < len(net.layers) - 1:
            own, after = net.norms[i], torch.nn.LayerNorm(layer.outputs)
            after.weight.data, after.bias.data = own.weight[k, 0], own.bias[k, 0]
            between = [torch.nn.ReLU(), after]
            modules += between if norm == "after" else between[::-1]
    return torch.nn.Sequential(*modules)


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_norm_stands_where_it_shall(norm: str, outputs: int):
    net = MLP((0, 1), "net", (4, 6, 5, outputs), members=2, norm=norm)
    net.requires_grad_(requires_grad=False)
    assert all((one.weight == 1).all() and not one.bias.any() for one in net.norms)
    for one in net.norms:
        one.weight.normal_()
        one.bias.normal_()
    x = torch.randn(2, 7, 4)
    y = net(x)
    for seed in (0, 1):
        for e in (0, 1):
            wanted = single(net, 2 * seed + e, norm)(x[seed])
            torch.testing.assert_close(y[seed, e], wanted)
            torch.testing.assert_close(net.member(x, e)[seed], wanted)


def test_a_network_without_norms_has_none():
    assert not any("norms" in name for name in MLP((0,), "net", (4, 6, 2)).state_dict())
    with pytest.raises(ValueError, match="unknown norm 'between'"):
        MLP((0,), "net", (4, 6, 2), norm="between")


def test_a_name_is_given_once():
    graph = Graph()
    graph.constant("x", torch.zeros(1))
    with pytest.raises(ValueError, match="two values named x"):
        graph.add("Relu", "y", name="x")


def test_onnxruntime_is_there_in_the_version_the_tests_speak_of():
    assert onnxruntime.__version__.startswith("1.31.")


def test_a_gradient_of_a_gradient_is_asked_of_the_layers():
    """Ensembles that shall disagree take it, layer by layer; one node refuses."""
    net = MLP((0, 1), "test", (3, 8, 8, 1))
    x = torch.randn(2, 5, 3, generator=generator(0, "x")).requires_grad_()
    y = x
    for i, layer in enumerate(net.layers):
        y = layer(torch.relu(y) if i else y)
    weights = [layer.get_parameter("weight") for layer in net.layers]
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    gradients = torch.autograd.grad(slope.square().sum(), weights)
    assert all(gradient.any() for gradient in gradients)
    (slope,) = torch.autograd.grad(net(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        torch.autograd.grad(slope.square().sum(), weights)


@pytest.mark.parametrize("norm", ["none", "before", "after"])
def test_mish_may_stand_between_the_layers(norm: str):
    net = MLP((0, 4), "test", (7, 9, 6, 2), 2, norm, "mish")
    x = torch.randn(2, 33, 7, generator=generator(0, "x"))
    y = x.unsqueeze(1).expand(-1, 2, -1, -1).flatten(0, 1)
    for i, layer in enumerate(net.layers):
        y = layer(y)
        if i < 2:
            y = torch.nn.functional.layer_norm(y, y.shape[-1:]) if norm[0] == "b" else y
            y = y * torch.tanh(torch.log1p(torch.exp(y)))
            y = torch.nn.functional.layer_norm(y, y.shape[-1:]) if norm[0] == "a" else y
    torch.testing.assert_close(net(x).flatten(0, 1), y, atol=1e-5, rtol=0)
    torch.testing.assert_close(net.member(x, 1), net(x)[:, 1])
    with pytest.raises(ValueError, match="unknown activation 'sine'"):
        MLP((0,), "test", (7, 2), activation="sine")
