"""Compressors on a policy that calls its network several times a step."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model
from tasks.artifacts.parity import check_parity
from tasks.compress.__main__ import action_error
from tasks.compress.cores.layer_inputs import acted, layer_inputs
from tasks.nets.policy import take
from tests.compress.harness import make_compressor, make_rows, same_tensors
from tests.nets.diffusions import diffusion

ROWS = 64


def test_layers_are_calibrated_on_all_calls_with_noise():
    policy, rows = diffusion(4), make_rows(ROWS)
    situation = rows.situation(policy)
    noise = situation[0]["noise"]
    assert noise.shape == (3, ROWS, 4 * 3)
    assert noise.std() == pytest.approx(1, abs=0.1)
    assert torch.equal(noise, rows.situation(policy)[0]["noise"])  # seeded
    seen = layer_inputs(policy, situation)
    assert seen.keys() == policy.linears().keys()
    assert seen["layers.0"].shape == (3, 4 * ROWS, 3 + 16 + 11)
    assert seen["layers.2"].shape == (3, 4 * ROWS, 32)
    calls = seen["layers.0"].view(3, 4, ROWS, -1)
    assert torch.equal(calls[0, 0, :, :3], noise[0, :, :3])  # the noisiest state
    told = calls[:, :, 0, 3:19]  # one time a call, the same for all rows
    assert torch.equal(calls[:, :, -1, 3:19], told)
    assert (told[:, 1:] - told[:, :-1]).abs().amax(-1).min() > 1e-3
    only = layer_inputs(policy, situation, "layers.1")
    assert list(only) == ["layers.1"]
    assert torch.equal(only["layers.1"], seen["layers.1"])


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize(
    ("name", "share", "error"),
    [("float32", 1, 0), ("int8_static", 0.5, 0.02), ("gptq4", 0.45, 0.2)],
)
def test_its_file_is_smaller_and_acts_alike(
    name: str, share: float, error: float, steps: int
):
    policy, rows = diffusion(steps, hidden=(64, 64), gain=1.5), make_rows(ROWS)
    small, report = make_compressor(name).compress(policy, rows)
    assert report["bytes_weights"] <= share * report["bytes_weights_before"]
    assert action_error(policy, small, make_rows(200))["mean"] <= error
    if name != "float32":
        assert all(max(layer["error"]) < 0.2 for layer in report["layers"])
    sizes = [len(build_model(p, 1).SerializeToString()) for p in (policy, small)]
    assert sizes[1] <= sizes[0] * (1 if name == "float32" else 0.7)
    probes = make_rows(1000).observations.numpy()
    said = {
        "inputs": {n: {"shape": ["batch", w]} for n, w in policy.inputs().items()},
        "carry": {},
    }
    for mode in ("exact", "native"):  # integer kernels, where there are any
        data = build_model(small, 1).SerializeToString()
        draw = np.random.default_rng(0)
        opened = OnnxPolicy(data, said, mode)
        check_parity(Path("f"), small, 1, opened, probes, draw, 1e-4)


@pytest.mark.parametrize("name", ["int8_static", "gptq4"])
def test_seed_k_alone_is_seed_k_of_the_stack(name: str):
    policy, compressor = diffusion(3), make_compressor(name)
    stacked, _ = compressor.compress(policy, make_rows(ROWS))
    alone, _ = compressor.compress(take(policy, 1), make_rows(ROWS, seeds=(1,)))
    assert same_tensors(take(stacked, 1), alone)  # type: ignore[arg-type]


def test_errors_of_actions_are_those_under_noise():
    policy, rows = diffusion(2), make_rows(ROWS)
    given, carry = rows.situation(policy)
    quiet = {"observation": given["observation"]}
    assert not torch.allclose(
        acted(policy, (given, carry)), acted(policy, (quiet, carry)), atol=0.1
    )


@pytest.mark.parametrize("name", ["structured", "distill"])
def test_compressors_of_other_networks_refuse_it(name: str):
    with pytest.raises(
        RefusedError,
        match=f"found DiffusionPolicy, expected one {name.title()} can take: Feedf",
    ):
        make_compressor(name).compress(diffusion(2), make_rows(ROWS))
