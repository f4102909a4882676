"""Layers as they are stored: in onnxruntime the same numbers, in few bytes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from tasks.nets.quest import hadamard, half_range, rotate, storage
from tasks.nets.quest_packed import QuestLinear, packed
from tests.nets.harness import layer_model, run_layer
from tests.nets.test_quest import BITS, drawn, trained

FLOAT_BYTES = 4 * 256 * 256


@pytest.mark.parametrize("mode", ["exact", "native"])
@pytest.mark.parametrize("bits", BITS)
def test_onnxruntime_gives_the_same_numbers(bits: float, mode: str):
    sizes = ((11, 20, 16), (256, 8, 128), (40, 5, 16), (16, 3, 1), (32, 4, 32))
    for inputs, outputs, block in sizes:
        layer = trained(inputs, outputs, bits, block)
        small = packed(layer)
        x = drawn(2, 33, inputs, seed=5)
        x[:, 4] = 0
        for k in range(2):
            got = run_layer(small, x[k].numpy(), k, mode)
            wanted = small(x)[k].numpy()
            assert np.abs(got - wanted).max() <= 1e-6 * np.abs(wanted).max()
        apart = (small(x) - layer(x).detach()).abs().amax(-1)
        assert (apart < 1e-4).float().mean() > 0.9  # but for codes on a border


def test_onnxruntime_multiplies_whole_numbers(tmp_path: Path):
    small = packed(trained(64, 8, 1, 64))
    file = tmp_path / "optimised.onnx"
    run_layer(small, drawn(5, 64).numpy(), 0, "native", str(file))
    nodes = onnx.load(file).graph.node
    products = [n.op_type for n in nodes if n.op_type.startswith(("MatMul", "Gemm"))]
    assert products == ["Gemm", "MatMulInteger"]  # of H, of weights


def test_the_product_is_that_of_the_codes():
    small = packed(trained(32, 6, 2, 32, bias=False))
    x = drawn(2, 4, 32).double()
    y = rotate(x, hadamard(32).double())
    step = (half_range(y, 2, 1e-8 * 32**0.5) * 2 / 3).numpy()
    whole = 2 * np.clip(np.floor(y.numpy() / step) + 2, 0, 3) - 3
    weights = 2 * small.codes.numpy().astype(np.int64) - 3
    assert set(np.unique(weights)) <= {-3, -1, 1, 3}
    total = whole[0].astype(np.int64) @ weights[0]
    wanted = total * step[0] * small.scale[0].numpy()
    np.testing.assert_allclose(small(x.float())[0].numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("bits", "share"), [(1, 20), (1.585, 12), (2, 12), (4, 6.9), (8, 3.6)]
)
def test_files_are_near_their_bits(bits: float, share: float):
    small = packed(trained(256, 256, bits, 128))
    assert len(layer_model(small, 0).SerializeToString()) <= FLOAT_BYTES / share
    codes = 256 * 256 * storage(bits) // 8
    assert small.packed.shape == (2, codes)
    kinds = {2: TensorProto.UINT8, 4: TensorProto.UINT4}
    stored = next(
        t for t in layer_model(small, 0).graph.initializer if t.name == "layer0.packed"
    )
    assert len(stored.raw_data) == codes
    assert stored.data_type == kinds.get(storage(bits), TensorProto.UINT8)


@pytest.mark.parametrize("bias", [True, False])
def test_a_spec_rebuilds_the_layer(bias: bool):
    small = packed(trained(11, 6, 1.585, 16, bias=bias))
    arguments = {k: v for k, v in small.spec().items() if k != "class"}
    fresh = QuestLinear(2, **arguments)  # type: ignore[arg-type]
    fresh.load_state_dict(small.state_dict())
    x = drawn(2, 5, 11)
    assert torch.equal(fresh(x), small(x))
    assert small.spec()["class"] == "tasks.nets.quest_packed.QuestLinear"


def test_a_layer_of_another_scale_has_no_packed_form():
    with pytest.raises(ValueError, match="scale 'absmax' has no packed form"):
        packed(trained(16, 4, 2, 1, trust=False, scale="absmax"))
