"""The residual network in whole numbers."""

import numpy as np
import onnx
import pytest
import torch

from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import check_parity
from tasks.compress.adadfq.student import Student
from tasks.nets.coded import FINEST, Coded, fitting_scale, on_grid
from tasks.nets.policy import stack, take
from tasks.nets.resnet_coded import CodedResNet
from tests.nets.pictures import observations, resnet
from tests.nets.test_categorical import ORIGIN


def coded(bits: int, seeds: tuple[int, ...] = (0, 1)) -> CodedResNet:
    """Of small random networks, ranges seen on noise."""
    net, made = resnet(seeds), []
    for k in range(len(seeds)):
        student = Student(take(net, k), bits)
        with torch.no_grad():
            student.logits(torch.randn(64, *net.image))
        made.append(student.coded())
    return stack(made)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
def test_torch_and_onnxruntime_agree_in_every_bit(bits: int):
    """On real rows, extremes and random ones: sums are exact, so no code can flip."""
    net = coded(bits)
    contract = contract_of(net, 1, {**ORIGIN, "seeds": [0, 1]}, "exact")
    onnx_policy = OnnxPolicy(build_model(net, 1).SerializeToString(), contract, "exact")
    rows, draw = observations(net, 1000).numpy(), np.random.default_rng(0)
    told = check_parity("x.onnx", net, 1, onnx_policy, rows, draw, 1e-4)  # type: ignore[arg-type]
    assert told["max"] <= 1e-6


def test_the_files_weights_are_packed_and_of_the_standard_domain():
    net = coded(3)
    model = build_model(net, 0)
    held = {t.name: t for t in model.graph.initializer}
    weights = {n: t for n, t in held.items() if ".wc" in n}
    assert len(weights) == len(net.units) == 7
    for layer, tensor in zip(net.units.values(), weights.values(), strict=True):
        assert tensor.data_type == onnx.TensorProto.INT4
        assert len(tensor.raw_data) == -(-layer.inputs * layer.outputs // 2)
        assert tensor.raw_data == layer.packed[0].numpy().tobytes()
        assert layer.codes.min() >= -4
        assert layer.codes.max() <= 3
    assert {node.domain for node in model.graph.node} == {""}
    floats = [t for t in held.values() if t.data_type == onnx.TensorProto.FLOAT]
    largest = max(floats, key=lambda t: len(t.raw_data))
    assert largest.name in ("om", "os")  # mean and deviation of the observation
    quantised = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert len(quantised) == 5  # one an activation: stem, and two a block
    zero = held[quantised[0].input[2]]
    assert zero.data_type == onnx.TensorProto.UINT4


@pytest.mark.parametrize(("bits", "top", "kind"), [(3, 7, "INT4"), (5, 31, "INT8")])
def test_activations_are_whole_numbers_up_to_the_last_code(
    bits: int, top: int, kind: str
):
    net = coded(bits)
    seen: list[torch.Tensor] = []
    for layer in net.units.values():
        layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net(10 * observations(net, 20).expand(2, -1, -1))
    assert net.top == top
    assert net.units["head"].bits_stored == int(kind[3:])
    for x in seen[1:-1]:  # the head reads means of codes
        assert torch.equal(x, x.round())
        assert x.min() == 0
        assert x.max() == top
    assert seen[0].abs().max() == 512  # pixels far outside are clipped


def test_codes_come_back_as_they_went_in():
    for bits in (3, 4, 6):
        layer = Coded(2, 3, 5, 3, 1, bits)
        half = 2 ** (bits - 1)
        codes = torch.randint(-half, half, (2, *layer.shape), dtype=torch.int8)
        layer.codes = codes
        assert torch.equal(layer.codes, codes)


def test_scales_and_biases_lie_on_grids():
    scale = torch.tensor([0.1, 3.7e-3, 12.3, 1e-9, 0.0])
    reach = torch.tensor([2.0**16, 2.0**10, 2.0**22, 10.0, 10.0])
    fit = fitting_scale(scale, reach)
    assert torch.allclose(fit[:2], scale[:2], rtol=2**-7)
    assert fit[2] == 12.25  # six significant bits
    assert fit[3:].tolist() == [0, 0]
    for number, largest in zip(fit[:2].tolist(), reach[:2].tolist(), strict=True):
        mantissa = int(number / FINEST)
        while mantissa % 2 == 0:
            mantissa //= 2
        assert mantissa * largest < 2**24
    bias = torch.tensor([0.3, -5.1])
    assert (on_grid(bias) - bias).abs().max() <= FINEST / 2
    assert torch.equal(on_grid(bias) / FINEST, (on_grid(bias) / FINEST).round())


def test_a_spec_rebuilds_it():
    net = coded(3)
    fresh = CodedResNet.from_spec(net.spec())
    fresh.load_state_dict(net.state_dict())
    rows = observations(net, 9).expand(2, -1, -1)
    assert torch.equal(fresh(rows), net(rows))
    assert net.spec()["class"] == "tasks.nets.resnet_coded.CodedResNet"


@pytest.mark.parametrize("bits", [1, 9])
def test_storage_that_does_not_exist_is_refused(bits: int):
    with pytest.raises(ValueError, match="2 to 8"):
        Coded(1, 3, 4, 3, 1, bits)
