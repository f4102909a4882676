from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of
from tasks.artifacts.parity import (
    BEHAVIOR_TOLERANCE,
    RANDOM_ROWS,
    TOLERANCE,
    check_carried_parity,
    check_parity,
    probe_rows,
)
from tasks.nets.feedforward import Feedforward
from tasks.nets.policy import Policy
from tests.artifacts.test_onnx_policy import ORIGIN
from tests.compress.harness import make_policy
from tests.nets.transformers import transformer

SEEDS = (4, 7)


def rows(count: int = 1000) -> np.ndarray:
    return np.random.default_rng(0).normal(2, 3, (count, 11)).astype(np.float32)


def compare(
    policy: Feedforward,
    file: Feedforward,
    k: int = 0,
    of: int | None = None,
    folds: bool = False,
) -> Any:
    """Parity of slice ``k`` of a policy with the file of slice ``of`` of another.

    Of files that fold the normaliser as of a run's, of others as of behaviours'.
    """
    tolerance = TOLERANCE if folds else BEHAVIOR_TOLERANCE
    contract = contract_of(file, 0, ORIGIN, "exact")
    k_of = k if of is None else of
    model = build_model(file, k_of, folds=folds).SerializeToString()
    opened = OnnxPolicy(model, contract, "exact")
    draw = np.random.default_rng(0)
    return check_parity(Path("x.onnx"), policy, k, opened, rows(), draw, tolerance)


def test_probes_are_the_rows_and_extremes_and_random_ones():
    real = rows(1000)
    probes = probe_rows(real, np.random.default_rng(0))
    assert probes.shape == (1000 + 4 * 11 + RANDOM_ROWS, 11)
    assert probes.dtype == np.float32
    assert np.array_equal(probes[:1000], real)
    extremes = probes[1000 : 1000 + 44].reshape(11, 4, 11)
    mean, std = real.mean(0, np.float64).astype(np.float32), real.std(0)
    for i in range(11):
        low, high, left, right = extremes[i, :, i]
        assert (low, high) == (real[:, i].min(), real[:, i].max())
        np.testing.assert_allclose(
            [left, right], [mean[i] - 5 * std[i], mean[i] + 5 * std[i]], rtol=0.01
        )
        others = np.delete(extremes[i], i, axis=1)
        np.testing.assert_allclose(others, np.tile(np.delete(mean, i), (4, 1)))
    spread = probes[1044:].std(0) / std
    assert (spread > 2.4).all()
    assert (spread < 3.6).all()


def test_a_dimension_that_never_moves_is_probed_too():
    probes = probe_rows(np.ones((1000, 2), np.float32), np.random.default_rng(0))
    assert np.isfinite(probes).all()
    assert len(np.unique(probes[:, 0])) > 100


@pytest.mark.parametrize("head", ["tanh", "clip", "gaussian"])
@pytest.mark.parametrize("k", [0, 1])
@pytest.mark.parametrize(("folds", "tolerance"), [(False, 1e-5), (True, 1e-4)])
def test_the_same_policy_passes(head: str, k: int, folds: bool, tolerance: float):
    policy = make_policy(head=head, seeds=SEEDS)
    found = compare(policy, policy, k, folds=folds)
    assert found["rows"] == 1300
    assert found["batches"] == [1, 2, 7, 17]
    assert 0 <= found["p99"] <= found["max"] <= found["tolerance"] == tolerance


def without_normaliser(policy: Feedforward) -> None:
    policy.observation_mean.zero_()
    policy.observation_std.fill_(1)


def other_mean(policy: Feedforward) -> None:
    policy.observation_mean[3] += 1e-2


def without_scaling(policy: Feedforward) -> None:
    policy.action_scale.fill_(1)
    policy.action_offset.zero_()


def without_offset(policy: Feedforward) -> None:
    policy.action_offset.zero_()


def one_other_weight(policy: Feedforward) -> None:
    policy.layers[1].weight[0, 5, 5] += 0.1


def without_a_bias(policy: Feedforward) -> None:
    policy.layers[-1].bias[0, 0, 0] += 1e-3


@pytest.mark.parametrize(
    "lose",
    [
        without_normaliser,
        other_mean,
        without_scaling,
        without_offset,
        one_other_weight,
        without_a_bias,
    ],
)
@pytest.mark.parametrize("head", ["tanh", "gaussian"])
def test_a_file_that_lost_something_fails(lose: Any, head: str):
    policy, file = (make_policy(head=head, seeds=SEEDS) for _ in range(2))
    assert compare(policy, file)["max"] <= 1e-5
    with torch.no_grad():
        lose(file)
    with pytest.raises(RefusedError, match="parity: found a difference of") as caught:
        compare(policy, file)
    assert "x.onnx" in str(caught.value)


def test_the_file_of_another_seed_fails():
    policy = make_policy(seeds=SEEDS)
    with pytest.raises(RefusedError, match="parity"):
        compare(policy, policy, 0, of=1)


def test_a_file_that_answers_nan_fails():
    policy, file = (make_policy(seeds=SEEDS) for _ in range(2))
    with torch.no_grad():
        file.layers[0].bias[0, 0, 0] = float("nan")
    with pytest.raises(RefusedError, match="a difference of nan"):
        compare(policy, file)


def carried(policy: Policy, file: Policy | None = None) -> Any:
    """Parity of the first slice of a policy that carries, with another's file."""
    file = file or policy
    contract = contract_of(file, 0, ORIGIN, "exact")
    opened = OnnxPolicy(build_model(file, 0).SerializeToString(), contract, "exact")
    draw = np.random.default_rng(0)
    real = rows(300)[:, : policy.observation_width]
    rewards = np.random.default_rng(1).normal(size=300)
    path = Path("x.onnx")
    return check_carried_parity(path, policy, 0, opened, real, rewards, draw, 1e-4)


def test_a_policy_that_carries_is_followed():
    found = carried(transformer(SEEDS))
    assert found["rows"] == (1 + 2 + 7 + 17 + 17) * 64
    assert found["batches"] == [1, 2, 7, 17]
    assert 0 <= found["p99"] <= found["max"] <= 1e-5


def other_target(policy: Any) -> None:
    policy.target += 1.0


def other_return_scale(policy: Any) -> None:
    policy.return_scale *= 1.01


def other_late_step(policy: Any) -> None:
    policy.embed_time.weight[0, 30, 0] += 1.0  # LayerNorm takes away what all share


def sees_the_future(policy: Any) -> None:
    policy.causal.zero_()


@pytest.mark.parametrize(
    "lose", [other_target, other_return_scale, other_late_step, sees_the_future]
)
def test_a_file_that_remembers_otherwise_fails(lose: Any):
    policy, file = (transformer(SEEDS) for _ in range(2))
    with torch.no_grad():
        lose(file)
    with pytest.raises(RefusedError, match="parity: found a difference of"):
        carried(policy, file)
