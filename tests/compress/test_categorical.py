"""Every compressor on a policy of discrete actions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import check_parity
from tasks.compress.__main__ import action_error
from tasks.nets.feedforward import Feedforward
from tests.compress.harness import SEEDS, make_compressor, make_policy, make_rows
from tests.nets.test_categorical import ORIGIN
from tests.worlds.harness import load

ROWS = make_rows(512)


def chooser(**changed: int) -> Feedforward:
    float_policy = make_policy(hidden=(48, 48), action=4, **changed)
    bounds = torch.zeros(4), torch.ones(4)
    return Feedforward(
        list(float_policy.layers),
        "categorical",
        float_policy.observation_mean,
        float_policy.observation_std,
        *bounds,
        masked=True,
    ).requires_grad_(requires_grad=False)


@pytest.mark.parametrize(
    ("name", "changed", "share"),
    [
        ("float32", {}, 0.0),
        ("int8_static", {}, 0.05),
        ("gptq4", {}, 0.25),
        ("structured", {"steps": 60, "keep": 0.7}, 0.4),
        ("distill", {"steps": 300, "hidden": [32, 32]}, 0.4),
    ],
)
def test_it_keeps_head_and_mask_and_most_choices(
    name: str, changed: dict[str, object], share: float
):
    policy = chooser()
    small, report = make_compressor(name, **changed).compress(policy, ROWS)
    assert small.head == "categorical"
    assert small.inputs() == policy.inputs()
    held_out = make_rows(600).observations[-200:]
    draw = torch.Generator().manual_seed(1)
    legal = (torch.rand(200, 4, generator=draw) < 0.7).float()
    legal[:, 0] = 1
    rows = replace(ROWS, observations=held_out, legal=legal)
    error = action_error(policy, small, rows)
    assert error["mean"] <= share
    assert error["mean"] <= error["max"] <= 1
    mode = report["mode"]
    for k in range(len(SEEDS)):
        origin = {**ORIGIN, "seeds": list(SEEDS)}
        contract = contract_of(small, k, origin, mode)
        onnx = OnnxPolicy(build_model(small, k).SerializeToString(), contract, mode)
        seen, generator = held_out.numpy(), np.random.default_rng(0)
        check_parity("x.onnx", small, k, onnx, seen, generator, 1e-4)


def test_the_error_is_the_share_of_changed_choices():
    one, other = chooser(), chooser()
    other.layers[-1].bias.data[1, 0, 2] += 1e3  # seed 1 now always takes action 2
    rows = ROWS.observations
    stays = float((one(rows.expand(3, -1, -1))[1] == 2).float().mean())
    error = action_error(one, other, ROWS)
    assert error["max"] == pytest.approx(1 - stays)
    assert error["mean"] == pytest.approx((1 - stays) / 3)
    legal = torch.tensor([[0.0, 1, 0, 1]]).expand(len(rows), -1)
    assert action_error(one, other, replace(ROWS, legal=legal))["max"] == 0


def test_a_student_visits_the_world_by_legal_actions():
    world = load("taxi", max_steps=20)
    policy = Feedforward(
        list(make_policy((16,), observation=19, action=6).layers),
        "categorical",
        torch.zeros(19),
        torch.ones(19),
        torch.zeros(6),
        torch.ones(6),
        masked=True,
    ).requires_grad_(requires_grad=False)
    draw = np.random.default_rng(0)
    places = draw.integers(0, 500, 64)
    seen = torch.from_numpy(world.table[places])
    rows = make_rows(64, 19, world=world)
    rows = type(rows)(seen, rows.dataset, rows.sha256, rows.seeds, world)
    wanted = {"hidden": [8], "rounds": 1, "visit_steps": 30, "envs": 2, "steps": 20}
    _, report = make_compressor("distill", **wanted).compress(policy, rows)
    assert "120 visited states" in report["calibration"]["what"]
