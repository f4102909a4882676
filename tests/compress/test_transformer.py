"""Compressors on a policy that carries its context."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.windows import windows
from tasks.compress.__main__ import action_error
from tasks.compress.cores.layer_inputs import layer_inputs
from tasks.compress.cores.rows import Rows
from tasks.nets.policy import take
from tests.artifacts.test_parity import carried
from tests.compress.harness import make_compressor, same_tensors
from tests.nets.transformers import transformer


def data(n: int = 1000) -> Any:
    """Episodes of 50 steps."""
    draw = np.random.default_rng(0)
    normal = lambda *shape: draw.standard_normal(shape).astype(np.float32)  # noqa: E731
    return SimpleNamespace(
        legal=None,
        observation=normal(n, 3),
        action=2 * np.tanh(normal(n, 1)),
        reward=normal(n),
        episode=np.arange(n) // 50,
    )


def rows(seed: int = 0, seeds: tuple[int, ...] = (0, 1)) -> Rows:
    at = np.random.default_rng(seed).integers(0, 1000, 64)
    logged = windows(data(), at, 4)
    return Rows(logged.observation[:, -1], "made-up", "ab", seeds, None, logged)


def test_windows_end_at_their_row_and_begin_with_their_episode():
    made = data()
    logged = windows(made, np.array([51, 130]), 4)
    assert logged.time.tolist() == [1.0, 30.0]
    assert not logged.observation[0, :2].any()
    assert np.array_equal(logged.observation[0, 2:], made.observation[50:52])
    assert np.array_equal(logged.action[1], made.action[127:131])
    assert np.array_equal(logged.reward[1], made.reward[127:131])
    assert logged.to_go[0, :2].tolist() == [0.0, 0.0]
    assert float(logged.to_go[1, -1]) == pytest.approx(made.reward[130:150].sum())


@pytest.mark.parametrize(
    ("name", "share", "error"),
    [("float32", 1, 0), ("int8_static", 0.45, 0.02), ("gptq4", 0.4, 0.2)],
)
def test_its_file_is_smaller_and_acts_alike(name: str, share: float, error: float):
    policy = transformer(gain=8.0)
    before = [p.clone() for p in policy.parameters()]
    small, report = make_compressor(name).compress(policy, rows())
    for old, new in zip(before, policy.parameters(), strict=True):
        assert torch.equal(old, new)
    assert report["bytes_weights"] <= share * report["bytes_weights_before"]
    assert report["parameters"] == report["parameters_before"]
    assert report["parameters"] == sum(p[0].numel() for p in policy.parameters())
    assert report["mode"] == "exact"
    assert [layer["name"] for layer in report["layers"]] == list(policy.linears())
    assert len(report["layers"]) == 2 + 4 + 5 + 1
    assert all(max(layer["error"]) < 0.2 for layer in report["layers"])
    assert action_error(policy, small, rows(1))["mean"] <= error
    carried(small)


def test_each_layer_is_calibrated_on_what_it_gets_to_see():
    policy, given = transformer(), rows()
    seen = layer_inputs(policy, given.situation(policy))
    assert seen.keys() == policy.linears().keys()
    assert seen["embed_observation"].shape == (2, 64 * 4, 3)
    assert seen["blocks.0.down"].shape == (2, 64 * 12, 64)
    assert seen["blocks.1.query"].shape == seen["head"].shape == (2, 64, 16)
    assert given.logged is not None
    wanted = policy.normalise(given.logged.observation).flatten(0, 1)
    assert torch.equal(seen["embed_observation"][0], wanted)
    alone = layer_inputs(policy, given.situation(policy), "blocks.0.up")
    assert list(alone) == ["blocks.0.up"]
    assert torch.equal(alone["blocks.0.up"], seen["blocks.0.up"])


@pytest.mark.parametrize("name", ["int8_static", "gptq4"])
def test_seed_k_alone_is_seed_k_of_the_stack(name: str):
    policy, compressor = transformer(), make_compressor(name)
    stacked, _ = compressor.compress(policy, rows())
    alone, _ = compressor.compress(take(policy, 1), rows(seeds=(1,)))
    left, right = take(stacked, 1), alone
    assert same_tensors(left, right)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["structured", "distill"])
def test_compressors_of_other_networks_refuse_it(name: str):
    with pytest.raises(
        RefusedError,
        match=f"found DecisionTransformer, expected one {name.title()} can take: Feedf",
    ):
        make_compressor(name).compress(transformer(), rows())
