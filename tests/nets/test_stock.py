"""The stock policy: what it remembers, what it minds, and its file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.parity import check_carried_parity
from tasks.artifacts.policy import load_policy, save_policy
from tasks.artifacts.seeding import generator
from tasks.nets.layers import Linear
from tasks.nets.stock import OBJECTIVES, StockPolicy
from tests.nets.test_tabular import ORIGIN

O, A, N = 2, 3, 8  # noqa: E741


def made(objective: str, share: float = 0.25, discount: float = 1.0) -> StockPolicy:
    layers = [Linear(2, O + 1, 16), Linear(2, 16, A * N)]
    for layer in layers:
        layer.initialise([generator(k, "q") for k in range(2)])
    policy = StockPolicy(layers, objective, share, discount, 10.0, A)
    with torch.no_grad():
        policy.start.stock.copy_(torch.tensor([3.0, -2.0])[:, None, None])
    return policy.requires_grad_(requires_grad=False)


def walk(policy: StockPolicy, rewards: list[float]) -> list[dict[str, Tensor]]:
    """What comes out step by step, rewards[t] earned after step t."""
    carry = {name: torch.zeros(2, 1, 1) for name in policy.carry()}
    told, before = [], 0.0
    for reward in [*rewards, 0.0]:
        inputs = {"observation": torch.zeros(2, 1, O)}
        inputs["reward"] = torch.full((2, 1, 1), before)
        outputs, carry = policy.step(inputs, carry)
        told.append({**outputs, **carry})
        before = reward
    return told


def test_start_plus_return_is_the_stock_plus_what_is_to_come():
    """c_0 + G_0 = discount^t (c_t + G_t), along an episode of known rewards."""
    discount, rewards = 0.9, [-4.0, 1.5, 2.0, -1.0]
    told = walk(made("target", discount=discount), rewards)
    for k, start in enumerate((3.0, -2.0)):
        whole = start + sum(discount**i * r for i, r in enumerate(rewards))
        for t in range(len(rewards) + 1):
            later = sum(discount**i * r for i, r in enumerate(rewards[t:]))
            stock = float(told[t]["stock"][k])
            assert discount**t * (stock + later) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scores_by_hand(objective: str):
    policy = made(objective)
    quantiles = torch.arange(A * N).float().view(1, 1, A, N) - 12
    stock = torch.full((1, 1, 1), 4.0)
    x = np.arange(A * N).reshape(A, N) - 12.0
    expected = {
        "worst": np.minimum(x + 4, 0).mean(1),
        "mean": (x + 4).mean(1),
        "target": -np.abs(x + 4).mean(1),
        "worst_without_stock": (x + 4)[:, :2].mean(1),  # a quarter of 8
    }[objective]
    np.testing.assert_allclose(policy.scores(quantiles, stock)[0, 0], expected)


def test_without_a_stock_rewards_change_nothing():
    blind = made("worst_without_stock")
    one, other = walk(blind, [5.0, -9.0]), walk(blind, [0.0, 0.0])
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a["logits"], b["logits"])
    seeing = made("worst")
    one, other = walk(seeing, [5.0, -9.0]), walk(seeing, [0.0, 0.0])
    assert torch.equal(one[0]["logits"], other[0]["logits"])
    assert not torch.equal(one[1]["logits"], other[1]["logits"])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_file_carries_the_same(objective: str, tmp_path: Path):
    policy, draw = made(objective, discount=0.95), np.random.default_rng(0)
    path = tmp_path / "seed-1.onnx"
    write_onnx(path, build_model(policy, 1), contract_of(policy, 1, ORIGIN, "exact"))
    rows = draw.normal(size=(1000, O)).astype(np.float32)
    rewards = draw.normal(size=1000).astype(np.float32)
    opened: Any = OnnxPolicy.open(path)
    both = rows, rewards, draw
    result = check_carried_parity(path, policy, 1, opened, *both, 1e-4)
    assert result["max"] < 1e-4
    outputs, carry = opened.step(
        {"observation": rows[:3], "reward": np.ones((3, 1), np.float32)},
        opened.reset(3),
    )
    assert outputs["quantiles"].shape == (3, A * N)
    first = 0.0 if objective == "worst_without_stock" else -2.0
    assert carry["stock"].ravel().tolist() == [first] * 3
    assert carry["begun"].ravel().tolist() == [1] * 3


def test_it_is_kept_like_any_policy(tmp_path: Path):
    policy = made("worst")
    save_policy(tmp_path, policy, ORIGIN)
    again: Any = load_policy(tmp_path)[0]
    assert again.start.stock.equal(policy.start.stock)
    assert (again.objective, again.share, again.width) == ("worst", 0.25, 10.0)
    with pytest.raises(ValueError, match="unknown objective"):
        made("median")
