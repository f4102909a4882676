from typing import Any

import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.nets.policy import take
from tests.compress.harness import (
    make_compressor,
    make_policy,
    make_rows,
    model_bytes,
    onnx_difference,
    same_tensors,
)


def test_the_file_of_a_2x256_policy_is_less_than_a_third():
    policy = make_policy((256, 256))
    small, report = make_compressor("w8").compress(policy, make_rows())
    assert len(model_bytes(small)) + 2000 <= 0.3 * len(model_bytes(policy))
    assert [layer["bits"] for layer in report["layers"]] == [8, 8, 8]
    assert (report["bits_nominal"], report["mode"]) == (8, "exact")
    assert report["calibration"] is None


def test_each_weight_is_within_half_a_step_of_its_block():
    policy = take(make_policy((40, 33)), 0)
    small, _ = make_compressor("w8", block=16).compress(policy, make_rows())
    for before, after in zip(policy.layers, small.layers, strict=True):
        weight = before.weight[0].T  # (N, I)
        steps = after.scale[0].repeat_interleave(16, dim=1)[:, : before.inputs]
        error = (after.codes[0] * steps - weight).abs()
        assert (error <= 0.5 * steps * (1 + 1e-5)).all()
        blocks = weight.abs().split(16, dim=1)
        largest = torch.stack([block.amax(1) for block in blocks], dim=1)
        assert torch.allclose(after.scale[0] * 127, largest)


def test_it_errs_less_than_with_rounded_inputs():
    policy, rows = make_policy((64, 64)), make_rows(512)
    stacked = rows.observations.expand(3, -1, -1)
    errors = {}
    for name in ("w8", "int8_static"):
        small, _ = make_compressor(name).compress(policy, rows)
        errors[name] = float((small(stacked) - policy(stacked)).abs().mean())
    assert errors["w8"] < 0.5 * errors["int8_static"]


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
@pytest.mark.parametrize("mode", ["exact", "native"])
def test_torch_and_onnxruntime_agree(head: str, mode: str):
    policy = make_policy((33, 48), head)
    small, _ = make_compressor("w8", block=16).compress(policy, make_rows())
    assert onnx_difference(small, make_rows().observations, mode) <= 1e-5


def test_seed_k_alone_is_seed_k_of_the_stack_bit_for_bit():
    policy, rows = make_policy(), make_rows()
    compressor = make_compressor("w8")
    stacked, _ = compressor.compress(policy, rows)
    alone, _ = compressor.compress(take(policy, 1), rows)
    assert same_tensors(take(stacked, 1), alone)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"block": 24}, r"compress.w8.block: found 24, expected a power of two"),
        ({"block": 8}, r"compress.w8.block: found 8, expected \[16, 1024\]"),
        ({"blocks": 32}, r"compress.w8.blocks.*did you mean block"),
    ],
)
def test_parameters_out_of_range_are_refused(changed: dict[str, Any], message: str):
    with pytest.raises(RefusedError, match=message):
        make_compressor("w8", **changed)
