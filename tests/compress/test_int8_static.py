from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.compress.int8_static import significant
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


def test_the_file_of_a_2x256_policy_is_a_third():
    policy = make_policy((256, 256))
    small, report = make_compressor("int8_static").compress(policy, make_rows())
    assert len(model_bytes(small)) <= 0.35 * len(model_bytes(policy))
    assert max(float_bytes(small).values()) <= 1024  # scales of 256 units
    assert report["bits_nominal"] == 7
    assert report["mode"] == "native"
    assert [layer["bits"] for layer in report["layers"]] == [8, 7, 7]
    assert [layer["bits_stored"] for layer in report["layers"]] == [8, 8, 8]
    assert report["calibration"]["dataset"] == "made-up"
    assert report["calibration"]["rows"] == 256


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
@pytest.mark.parametrize("mode", ["exact", "native"])
@pytest.mark.parametrize("float_input", [True, False])
def test_torch_and_onnxruntime_agree_far_outside_the_calibrated_range(
    head: str, mode: str, float_input: bool
):
    compressor = make_compressor("int8_static", float_input=float_input)
    small, _ = compressor.compress(make_policy((64, 48), head), make_rows())
    rows = torch.cat([make_rows(1000).observations, 10 * make_rows().observations])
    assert onnx_difference(small, rows, mode) <= 1e-5


@pytest.mark.parametrize(("float_input", "kernels"), [(True, 2), (False, 3)])
def test_native_mode_runs_integer_kernels_behind_the_input(
    tmp_path: Path, float_input: bool, kernels: int
):
    compressor = make_compressor("int8_static", float_input=float_input)
    small, _ = compressor.compress(make_policy(), make_rows())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(
        model_bytes(small), options, providers=["CPUExecutionProvider"]
    )
    operators = [n.op_type for n in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert operators.count("QGemm") == kernels
    assert operators.count("QuantizeLinear") == 1
    assert operators.count("Gemm") == 3 - kernels
    assert "Relu" not in operators


def test_actions_stay_near_the_float_ones():
    policy, rows = make_policy((64, 64)), make_rows(512)
    small, report = make_compressor("int8_static").compress(policy, rows)
    stacked = rows.observations.expand(3, -1, -1)
    assert (small(stacked) - policy(stacked)).abs().mean() < 0.03
    assert max(max(layer["error"]) for layer in report["layers"]) < 0.02
    assert min(min(layer["error"]) for layer in report["layers"]) > 1e-4


def test_a_reduced_range_holds_seven_bits():
    compressor = make_compressor("int8_static", reduce_range=True)
    small, report = compressor.compress(make_policy(), make_rows())
    first, *others = small.layers
    assert first.codes.abs().max() == 127  # no codes there whose products saturate
    codes = torch.cat([layer.codes.flatten() for layer in others])
    assert codes.abs().max() <= 63
    whole = make_compressor("int8_static", reduce_range=False)
    _, other = whole.compress(make_policy(), make_rows())
    said = [
        (r["bits_nominal"], [x["bits"] for x in r["layers"]]) for r in (report, other)
    ]
    assert said == [(7, [8, 7, 7]), (8, [8, 8, 8])]
    assert onnx_difference(small, make_rows().observations, "native") <= 1e-5


def test_a_percentile_narrows_the_range():
    rows = make_rows()
    rows.observations[0] *= 100
    policy = make_policy()
    wide, narrow = (
        make_compressor(
            "int8_static", percentile=percentile, float_input=False
        ).compress(policy, rows)[0]
        for percentile in (100.0, 98.0)
    )
    assert (narrow.layers[0].input_scale < wide.layers[0].input_scale / 4).all()


def test_a_silent_hidden_layer_is_no_accident():
    policy = make_policy()
    policy.layers[0].bias.fill_(-1e3)
    small, _ = make_compressor("int8_static").compress(policy, make_rows())
    stacked = make_rows().observations.expand(3, -1, -1)
    assert torch.isfinite(small(stacked)).all()
    assert (small(stacked) - policy(stacked)).abs().max() < 1e-2


def test_seed_k_alone_is_seed_k_of_the_stack_bit_for_bit():
    policy, rows = make_policy(), make_rows()
    compressor = make_compressor("int8_static")
    stacked, _ = compressor.compress(policy, rows)
    alone, _ = compressor.compress(take(policy, 2), rows)
    again, _ = compressor.compress(policy, rows)
    assert same_tensors(take(stacked, 2), alone)
    assert same_tensors(stacked, again)


@pytest.mark.parametrize("first", ["structured", "distill"])
def test_it_follows_compressors_that_give_float_layers(first: str):
    before, _ = make_compressor(first).compress(make_policy((64, 64)), make_rows())
    small, report = make_compressor("int8_static").compress(before, make_rows())
    assert report["bytes_weights"] < 0.5 * report["bytes_weights_before"]
    assert onnx_difference(small, make_rows().observations, "exact") <= 1e-5


@pytest.mark.parametrize("first", ["int8_static", "gptq4"])
def test_a_quantised_policy_is_refused(first: str):
    before, _ = make_compressor(first).compress(make_policy(), make_rows())
    with pytest.raises(RefusedError, match=r"policy.layers\[0\].*can take: Linear"):
        make_compressor("int8_static").compress(before, make_rows())


def test_scales_round_up_to_few_digits():
    scale = torch.tensor([1.0, 1.01, 0.3, 7.1e-5])
    rounded = significant(scale, 3)
    assert rounded[:3].tolist() == [1.0, 1.25, 0.3125]
    assert (rounded >= scale).all()
    assert (rounded <= 1.25 * scale).all()


def test_float_inputs_err_less_than_codes():
    policy, rows = make_policy((64, 64)), make_rows(512)
    stacked, errors = rows.observations.expand(3, -1, -1), []
    for float_input in (True, False):
        compressor = make_compressor("int8_static", float_input=float_input)
        small, report = compressor.compress(policy, rows)
        errors.append(float((small(stacked) - policy(stacked)).abs().mean()))
        assert report["mode"] == "native"
    assert errors[0] < 0.8 * errors[1]
