from typing import Any

import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.compress.cores.gptq import gptq, second_moments
from tasks.compress.cores.rounding import block_scales, round_to_nearest
from tasks.nets.policy import take
from tests.compress.harness import (
    float_bytes,
    make_compressor,
    make_policy,
    make_rows,
    model_bytes,
    onnx_difference,
    same_tensors,
)


def test_the_file_of_a_2x256_policy_is_a_fifth():
    policy = make_policy((256, 256))
    small, report = make_compressor("gptq4").compress(policy, make_rows())
    # 2000 bytes are more than a contract takes
    assert len(model_bytes(small)) + 2000 <= 0.2 * len(model_bytes(policy))
    assert [layer["bits"] for layer in report["layers"]] == [8, 4, 8]
    assert report["bits_nominal"] == 4
    assert report["mode"] == "exact"
    large = {name for name, size in float_bytes(small).items() if size > 1024}
    assert large == {"l1.ws"}  # one a block of 32


@pytest.mark.parametrize("bits", [4, 8])
def test_every_layers_error_is_below_round_to_nearest(bits: int):
    policy, rows = take(make_policy((64, 64)), 0), make_rows(512).observations
    x = policy.normalise(rows[None])
    for layer in policy.layers:
        weight = layer.weight[0].T
        scale = block_scales(weight, bits, 32)
        wide = scale.repeat_interleave(32, dim=1)[:, : weight.shape[1]]
        nearest = round_to_nearest(weight, wide, bits) * wide
        solved = gptq(weight, scale, second_moments(x[0], 0.01), bits, 32) * wide
        error = (x[0].double() @ (solved - weight).T).norm()
        assert error < 0.8 * (x[0] @ (nearest - weight).T).norm()
        x = torch.relu(layer(x))


def test_without_correlation_it_is_round_to_nearest():
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 48, generator=draw)
    scale = block_scales(weight, 4, 16)
    wide = scale.double().repeat_interleave(16, dim=1)
    hessian = torch.diag(torch.rand(48, generator=draw).double() + 0.1)
    codes = gptq(weight, scale, hessian, 4, 16)
    assert torch.equal(codes, round_to_nearest(weight.double(), wide, 4))


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
@pytest.mark.parametrize("mode", ["exact", "native"])
def test_torch_and_onnxruntime_agree(head: str, mode: str):
    changed = {"block": 16, "edge_bits": 4}
    small, _ = make_compressor("gptq4", **changed).compress(
        make_policy((33, 48), head), make_rows()
    )
    assert onnx_difference(small, make_rows().observations, mode) <= 1e-5


def test_actions_stay_near_the_float_ones():
    policy, rows = make_policy((64, 64)), make_rows(512)
    small, report = make_compressor("gptq4").compress(policy, rows)
    stacked = rows.observations.expand(3, -1, -1)
    assert (small(stacked) - policy(stacked)).abs().mean() < 0.03
    assert max(max(layer["error"]) for layer in report["layers"]) < 0.06


def test_dead_inputs_do_not_break_the_solver():
    policy, rows = make_policy(), make_rows()
    rows.observations[:, 3] = policy.observation_mean[3]
    policy.layers[0].bias.fill_(-1e3)  # and no hidden unit ever fires
    small, _ = make_compressor("gptq4").compress(policy, rows)
    assert all(torch.isfinite(layer.scale).all() for layer in small.layers)
    assert torch.isfinite(small(rows.observations.expand(3, -1, -1))).all()


def test_seed_k_alone_is_seed_k_of_the_stack_bit_for_bit():
    policy, rows = make_policy(), make_rows()
    compressor = make_compressor("gptq4")
    stacked, _ = compressor.compress(policy, rows)
    alone, _ = compressor.compress(take(policy, 1), rows)
    again, _ = compressor.compress(policy, rows)
    assert same_tensors(take(stacked, 1), alone)
    assert same_tensors(stacked, again)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"block": 24}, r"compress.gptq4.block: found 24, expected a power of two"),
        ({"block": 8}, r"compress.gptq4.block: found 8, expected \[16, 1024\]"),
        ({"edge_bits": 6}, r"compress.gptq4.edge_bits: found 6, expected 4 or 8"),
        ({"damp": 0.1}, r"compress.gptq4.damp.*did you mean damping"),
    ],
)
def test_parameters_out_of_range_are_refused(changed: dict[str, Any], message: str):
    with pytest.raises(RefusedError, match=message):
        make_compressor("gptq4", **changed)
