from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tasks.nets.quantised import BlockLinear, Int8Linear, WideLinear, bits_of
from tests.nets.harness import layer_model, run_layer


def int8_layer(inputs: int, outputs: int) -> Int8Linear:
    draw = torch.Generator().manual_seed(0)
    layer = Int8Linear(2, inputs, outputs)
    # 7 bits, as int8_static writes: kernels of AVX2 without VNNI saturate beyond
    layer.codes.random_(-63, 64, generator=draw)
    layer.scale.copy_(2.0 ** -torch.randint(6, 9, (2, outputs), generator=draw))
    layer.bias.random_(-5000, 5000, generator=draw)
    layer.input_scale.copy_(torch.tensor([1 / 32, 1 / 64]))
    layer.input_zero.copy_(torch.tensor([120, 0]))
    return layer


def block_layer(inputs: int, outputs: int, bits: int, block: int) -> BlockLinear:
    draw = torch.Generator().manual_seed(0)
    layer = BlockLinear(2, inputs, outputs, bits, block)
    top = 2 ** (bits - 1)
    layer.codes = torch.randint(-top + 1, top, (2, outputs, inputs), generator=draw)
    layer.scale.uniform_(0.01, 0.02, generator=draw)
    layer.bias.uniform_(-1, 1, generator=draw)
    return layer


def inputs_of(layer: torch.nn.Module, rows: int = 64) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return 3 * torch.randn(2, rows, layer.inputs, generator=draw)


@pytest.mark.parametrize("mode", ["exact", "native"])
@pytest.mark.parametrize("shape", [(11, 256), (256, 64), (64, 3), (5, 1)])
def test_int8_gives_the_same_numbers_everywhere(shape: tuple[int, int], mode: str):
    layer = int8_layer(*shape)
    x = inputs_of(layer)
    for k in range(2):
        got = run_layer(layer, x[k].numpy(), k, mode)
        assert np.array_equal(got, layer(x)[k].numpy())


@pytest.mark.parametrize("mode", ["exact", "native"])
@pytest.mark.parametrize("shape", [(11, 256), (256, 64), (5, 1)])
def test_wide_sums_are_the_same_numbers_everywhere(shape: tuple[int, int], mode: str):
    draw = torch.Generator().manual_seed(0)
    layer = WideLinear(2, *shape)
    layer.codes.random_(-127, 128, generator=draw)
    layer.scale.uniform_(0.01, 0.02, generator=draw)
    layer.bias.uniform_(-1, 1, generator=draw)
    x = inputs_of(layer)
    for k in range(2):
        got = run_layer(layer, x[k].numpy(), k, mode)
        assert got.dtype == np.float32
        assert np.array_equal(got, layer(x)[k].numpy())
        weight = layer.codes[k].double() * layer.scale[k]
        exact = x[k].double() @ weight + layer.bias[k]
        assert np.abs(got - exact.numpy()).max() <= 1e-5


def test_bits_are_those_that_codes_use():
    for largest, bits in ((127, 8), (64, 8), (63, 7), (7, 4), (0, 2)):
        assert bits_of(torch.tensor([0, -largest], dtype=torch.int8)) == bits


def test_int8_is_an_integer_product_with_the_weights_scales():
    layer = int8_layer(11, 6)
    x = inputs_of(layer)
    q = np.clip(np.rint(x[0].numpy() * 32) + 120, 0, 255).astype(np.int64)
    total = (q - 120) @ layer.codes[0].numpy().astype(np.int64)
    wanted = (total + layer.bias[0].numpy()) * (layer.scale[0].numpy() / 32)
    np.testing.assert_array_equal(layer(x)[0].numpy(), wanted.astype(np.float32))


def test_int8_runs_an_integer_kernel(tmp_path: Path):
    layer = int8_layer(11, 6)
    file = tmp_path / "optimised.onnx"
    run_layer(layer, inputs_of(layer)[0].numpy(), 0, "native", str(file))
    operators = [node.op_type for node in onnx.load(file).graph.node]
    assert operators == ["QuantizeLinear", "QGemm"]


SHAPES = [(11, 64, 32), (256, 64, 32), (33, 5, 16), (48, 3, 32), (7, 1, 16)]


@pytest.mark.parametrize("mode", ["exact", "native"])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("inputs", "outputs", "block"), SHAPES)
def test_blocks_give_the_same_numbers_in_both_modes(
    inputs: int, outputs: int, block: int, bits: int, mode: str
):
    layer = block_layer(inputs, outputs, bits, block)
    x = inputs_of(layer)
    for k in range(2):
        got, wanted = run_layer(layer, x[k].numpy(), k, mode), layer(x)[k].numpy()
        assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_onnxruntime_leaves_blocks_before_a_transposing_gemm_alone(tmp_path: Path):
    layer = block_layer(256, 64, 4, 32)
    file = tmp_path / "optimised.onnx"
    run_layer(layer, inputs_of(layer)[0].numpy(), 0, "native", str(file))
    operators = [node.op_type for node in onnx.load(file).graph.node]
    assert operators == ["DequantizeLinear", "Gemm"]  # not MatMulNBits


def test_four_bits_take_half_a_byte_in_both_files():
    layer = block_layer(256, 256, 4, 32)
    codes = layer_model(layer, 0).graph.initializer[0]
    assert codes.data_type == onnx.TensorProto.INT4
    assert len(codes.raw_data) == 256 * 256 // 2
    assert layer.packed.shape == (2, 256 * 256 // 2)
    assert codes.raw_data == layer.packed[0].numpy().tobytes()


def test_codes_come_back_as_they_went_in():
    layer = block_layer(7, 3, 4, 16)  # an odd number of codes
    codes = layer.codes.clone()
    layer.codes = codes
    assert torch.equal(layer.codes, codes)
    assert codes.shape == (2, 3, 7)


@pytest.mark.parametrize(("bits", "block"), [(3, 32), (4, 8), (4, 48)])
def test_storage_that_does_not_exist_is_refused(bits: int, block: int):
    with pytest.raises(ValueError, match=r"bits|power of two"):
        BlockLinear(1, 64, 64, bits, block)


@pytest.mark.parametrize("layer", [int8_layer(11, 6), block_layer(11, 6, 4, 16)])
def test_a_spec_rebuilds_the_layer(layer: Int8Linear | BlockLinear):
    arguments = {k: v for k, v in layer.spec().items() if k != "class"}
    fresh = type(layer)(2, **arguments)
    fresh.load_state_dict(layer.state_dict())
    x = inputs_of(layer)
    assert torch.equal(fresh(x), layer(x))
    assert layer.spec()["class"] == f"tasks.nets.quantised.{type(layer).__name__}"
