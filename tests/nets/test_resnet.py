"""The residual network of floats."""

import numpy as np
import pytest
import torch
from torch import nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import check_parity
from tasks.nets.policy import stack, take
from tasks.nets.resnet import ResNet, build
from tests.nets.pictures import IMAGE, observations, resnet
from tests.nets.test_categorical import ORIGIN


def plain(net: ResNet, k: int, x: torch.Tensor) -> torch.Tensor:
    """The same network of torch's own layers, written out for two blocks."""

    def unit(name: str, x: torch.Tensor) -> torch.Tensor:
        layer = net.units[name]
        outputs, channels, side, _ = layer.weight[k].shape
        conv = nn.Conv2d(
            channels, outputs, side, layer.stride, padding=side // 2, bias=False
        )
        norm = nn.BatchNorm2d(outputs).eval()
        conv.weight.data = layer.weight[k]
        norm.weight.data, norm.bias.data = layer.gain[k], layer.shift[k]
        norm.running_mean, norm.running_var = layer.mean[k], layer.variance[k]
        return norm(conv(x))

    x = torch.relu(unit("stem", x))
    y = torch.relu(unit("block0_first", x))
    x = torch.relu(unit("block0_second", y) + x)
    y = torch.relu(unit("block1_first", x))
    x = torch.relu(unit("block1_second", y) + unit("block1_shortcut", x))
    head = net.units["head"]
    return x.mean((2, 3)) @ head.weight[k] + head.bias[k]


@pytest.mark.parametrize("k", [0, 1])
def test_it_is_the_network_of_torchs_own_layers(k: int):
    net = resnet()
    picture = torch.randn(2, 9, *IMAGE)
    with torch.no_grad():
        wanted = plain(net, k, picture[k])
    torch.testing.assert_close(net.logits(picture)[k], wanted, atol=1e-5, rtol=1e-5)


def test_resnet_8_has_77_thousand_weights():
    net = build(1, (3, 16, 16), (16, 32, 64), 10)
    weights = {n: unit.weight.numel() for n, unit in net.units.items()}
    assert len(weights) == 10  # 8 on the longest way, two beside it
    assert sum(weights.values()) == 77_360


def test_while_it_learns_statistics_are_the_batchs_and_the_running_ones_follow():
    net = resnet((0,))
    layer = net.units["stem"]
    x = 2 * torch.randn(1, 32, *IMAGE) + 1
    before = layer.mean.clone(), layer.variance.clone()
    quiet = net.units["stem"](x)
    assert torch.equal(layer.mean, before[0])
    learned = layer(x, True)
    plainly = layer.convolved(x, layer.weight)[0]
    mean, variance = plainly.mean((0, 2, 3)), plainly.var((0, 2, 3))
    torch.testing.assert_close(layer.mean[0], 0.9 * before[0][0] + 0.1 * mean)
    torch.testing.assert_close(layer.variance[0], 0.9 * before[1][0] + 0.1 * variance)
    assert not torch.allclose(quiet, learned, atol=0.1)
    centred = (learned[0].mean((0, 2, 3)) - layer.shift[0]).abs()
    assert centred.max() < 1e-4


@pytest.mark.parametrize("k", [0, 1])
def test_its_file_acts_as_it_does(k: int):
    net = resnet()
    model = build_model(net, k)
    operators = {node.op_type for node in model.graph.node}
    assert {"Conv", "GlobalAveragePool"} <= operators
    assert "BatchNormalization" not in operators  # in the weights
    contract = contract_of(net, k, {**ORIGIN, "seeds": [0, 1]}, "exact")
    onnx = OnnxPolicy(model.SerializeToString(), contract, "exact")
    rows, draw = observations(net, 1000).numpy(), np.random.default_rng(0)
    assert check_parity("x.onnx", net, k, onnx, rows, draw, 1e-4)["max"] < 1e-5  # type: ignore[arg-type]


def test_slices_come_apart_and_together():
    net = resnet((4, 2, 7))
    alone = [take(net, k) for k in range(3)]
    picture = torch.randn(1, 5, *IMAGE)
    for k, one in enumerate(alone):
        wanted = net.logits(picture.expand(3, -1, -1, -1, -1))[k]
        torch.testing.assert_close(one.logits(picture)[0], wanted)
    again = stack(alone)
    for name, tensor in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_an_observation_that_is_no_picture_is_refused():
    mean, std = torch.zeros(200), torch.ones(200)
    with pytest.raises(RefusedError, match=r"image: found \[3, 8, 8\], 192 numbers"):
        build(1, IMAGE, (4,), 5, mean, std)
