"""The policy of a streaming learner: statistics a seed, clock, mask; torch and ONNX."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.parity import check_carried_parity, check_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.compress.__main__ import action_error
from tasks.nets.layers import Linear
from tasks.nets.policy import Logged
from tasks.nets.streaming import Streaming
from tests.compress.harness import make_compressor, make_rows
from tests.nets.test_categorical import opened

O, A = 4, 3  # noqa: E741


def made(head: str = "categorical", limit: int = 0, **more: bool) -> Streaming:
    g = torch.Generator().manual_seed(0)
    layers = [Linear(2, i, o) for i, o in ((O + bool(limit), 12), (12, 16), (16, A))]
    for layer in layers:
        layer.initialise([g, g])
    bounds = torch.zeros(A), torch.ones(A)
    policy = Streaming(layers, head, *bounds, limit=limit, **more)
    policy.seen.mean.copy_(torch.randn(2, 1, O, generator=g))
    policy.seen.std.copy_(0.5 + torch.rand(2, 1, O, generator=g))
    return policy.requires_grad_(requires_grad=False)


def test_a_step_is_the_equations():
    """Normalised, the clock behind it, LayerNorm over the units, then LeakyReLU."""
    policy, k = made("clip", 10), 1
    x = torch.randn(2, 5, O, generator=torch.Generator().manual_seed(1))
    carry = {"clock": torch.full((2, 5, 1), policy.carry()["clock"].reset)}
    for time in (-0.5, -0.5, -0.4):  # the first one twice
        outputs, carry = policy.step({"observation": x}, carry)
        h = (x[k] - policy.seen.mean[k]) / policy.seen.std[k]
        h = torch.cat([h, torch.full((5, 1), time)], 1)
        for layer in policy.layers[:-1]:
            h = h @ layer.weight[k] + layer.bias[k]
            h = (h - h.mean(1, keepdim=True)) / (
                h.var(1, correction=0, keepdim=True) + 1e-5
            ).sqrt()
            h = torch.where(h > 0, h, 0.01 * h)
        h = h @ policy.layers[-1].weight[k] + policy.layers[-1].bias[k]
        torch.testing.assert_close(outputs["action"][k], h.clamp(-1, 1) / 2 + 0.5)


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("categorical", {}),
    ("categorical", {"limit": 30, "masked": True}),
    ("clip", {"limit": 30}),
    ("clip", {"normed": False}),
]


@pytest.mark.parametrize(("head", "more"), FORMS)
def test_files_say_what_torch_says(head: str, more: dict[str, Any], tmp_path: Path):
    (tmp_path / "policy").mkdir()
    save_policy(tmp_path / "policy", made(head, **more), {})
    policy, _ = load_policy(tmp_path / "policy")
    assert torch.equal(policy.seen.std, made(head, **more).seen.std)
    rows = make_rows(300, O).observations.numpy()
    file = opened(policy, tmp_path)
    assert list(file.contract["carry"]) == ["clock"] * bool(policy.limit)
    draw = np.random.default_rng(0)
    if policy.limit:
        check_carried_parity("x", policy, 1, file, rows, np.zeros(300), draw, 1e-4)
    else:
        check_parity("x", policy, 1, file, rows, draw, 1e-4)


@pytest.mark.parametrize("name", ["int8_static", "gptq4"])
def test_compressors_leave_statistics_and_clock_in_float(name: str):
    policy = made("categorical", 30, masked=True)
    rows = make_rows(256, O, seeds=(0, 1), legal=torch.ones(256, A))
    logged = Logged(
        *(rows.observations[:, None], torch.zeros(256, 1, A)),
        *(torch.zeros(256, 1), torch.zeros(256, 1), torch.arange(256) % 30),
    )
    rows = replace(rows, logged=logged)
    inputs, carry = rows.situation(policy)
    assert set(inputs) == {"observation", "legal"}
    torch.testing.assert_close(carry["clock"][0, :2, 0], torch.tensor([-16 / 30, -0.5]))
    small, report = make_compressor(name).compress(policy, rows)
    assert torch.equal(small.seen.mean, policy.seen.mean)
    assert report["bytes_weights"] < report["bytes_weights_before"]
    assert action_error(policy, small, rows)["mean"] < 0.2
