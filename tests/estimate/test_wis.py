"""WIS: straight-line sums, the plain mean, effective sample sizes, refusals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.estimate.cores.importance import (
    effective,
    log_weights,
    resampler,
    sizes,
    spread,
    weighted,
)
from tests.estimate.logged import constant, estimator, quiet, transitions

REWARDS = [[1.0, 2.0, -1.0], [0.5, 4.0]]
ACTIONS = np.array([[0.1], [-0.4], [0.7], [0.3], [-0.2]])


def density(a: float, mean: float, std: float) -> float:
    return float(np.exp(-0.5 * ((a - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi)))


def data(**changes: Any) -> Any:
    """Two episodes of a clipped Gaussian of mean 0 and deviation 0.5."""
    logs = np.log([density(a, 0.0, 0.5) for a in ACTIONS[:, 0]])
    made = transitions(REWARDS, [True, False], action=ACTIONS, log_prob=logs)
    return replace(made, **changes)


def test_it_is_the_sum_written_down() -> None:
    """Two episodes, step by step; the shorter keeps its last weight. To 1e-6."""
    gamma = 0.9
    r = [density(a, 0.2, 0.4) / density(a, 0.0, 0.5) for a in ACTIONS[:, 0]]
    one = [r[0], r[0] * r[1], r[0] * r[1] * r[2]]
    two = [r[3], r[3] * r[4], r[3] * r[4]]
    expected = (
        (one[0] * 1.0 + two[0] * 0.5) / (one[0] + two[0])
        + gamma * (one[1] * 2.0 + two[1] * 4.0) / (one[1] + two[1])
        + gamma**2 * (one[2] * -1.0 + two[2] * 0.0) / (one[2] + two[2])
    )
    found = estimator("wis", discount=gamma).estimate(
        data(), {7: constant(0.2, 0.4)}, quiet
    )
    assert found["discounted"]["mean"] == pytest.approx(expected, rel=1e-6)
    assert found["per_seed"][0]["seed"] == 7
    assert found["per_seed"][0]["mean"] == pytest.approx(expected, rel=1e-6)
    left = (one[2] + two[2]) ** 2 / (one[2] ** 2 + two[2] ** 2)
    assert found["effective"] == [
        {"seed": 7, "episodes": 2, "at_end": pytest.approx(left), "half_at": None}
    ]


def test_the_behaviour_itself_gets_the_plain_mean() -> None:
    """To float32's precision of the stored actions."""
    found = estimator("wis", discount=0.9).estimate(
        data(), {0: constant(0.0, 0.5)}, quiet
    )
    returns = [1 + 0.9 * 2 - 0.81, 0.5 + 0.9 * 4]
    assert found["discounted"]["mean"] == pytest.approx(np.mean(returns), rel=1e-6)
    assert found["undiscounted"]["mean"] == pytest.approx((2 + 4.5) / 2, rel=1e-6)
    assert found["effective"][0]["at_end"] == pytest.approx(2, rel=1e-6)
    ends = found["discounted"]
    assert (ends["low"], ends["high"]) == pytest.approx(sorted(returns), rel=1e-6)


def test_seeds_are_judged_on_the_same_resamples() -> None:
    both = {0: constant(0.2, 0.4), 5: constant(0.2, 0.4), 6: constant(0.0, 0.5)}
    found = estimator("wis").estimate(data(), both, quiet)
    rows = [{k: row[k] for k in ("mean", "low", "high")} for row in found["per_seed"]]
    assert rows[0] == rows[1] != rows[2]
    mean = np.mean([row["mean"] for row in rows])
    assert found["discounted"]["mean"] == pytest.approx(mean)


def test_effective_sample_sizes() -> None:
    logs = np.log(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1e-30], [1.0, 1e-30]]))
    np.testing.assert_allclose(effective(logs), [4, 2])
    assert sizes(logs) == {"episodes": 4, "at_end": 2.0, "half_at": None}
    logs = np.array([[0.0, 0.0, 2000.0], [0.0, -1.0, -2000.0], [0.0, -3.0, 0.0]])
    assert effective(logs)[2] == pytest.approx(1)
    assert sizes(logs)["half_at"] == 2


def test_weights_beyond_float64_are_divided_as_logarithms() -> None:
    logs, rewards = np.array([[5000.0], [4999.0]]), np.array([[1.0], [0.0]])
    assert weighted(logs, rewards, 0.9) == pytest.approx(1 / (1 + np.exp(-1)))


def test_resampling_makes_lost_weights_again() -> None:
    """As if the drawn episodes were all there are, near the largest or far from it."""
    draw = np.random.default_rng(0)
    for spread_of in (1.0, 3000.0):
        logs = draw.normal(0, spread_of, (8, 5)).cumsum(axis=1)
        rewards = draw.normal(size=(8, 5))
        value = resampler(logs, rewards, 0.9)
        for _ in range(20):
            chosen = draw.integers(0, 8, 8)
            expected = weighted(logs[chosen], rewards[chosen], 0.9)
            assert value(chosen) == pytest.approx(expected, rel=1e-9)


def test_tables_have_a_row_an_episode() -> None:
    table = spread(data(), data().reward)
    np.testing.assert_allclose(table, [[1, 2, -1], [0.5, 4, 0]])
    logs = log_weights(data(), constant(0.2, 0.4), 1.0)
    assert logs.shape == (2, 3)
    assert logs[1, 2] == logs[1, 1]


@pytest.mark.parametrize("name", ["wis", "dr"])
def test_data_that_does_not_know_its_probabilities_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as error:
        estimator(name).estimate(data(log_prob=None), {0: constant(0, 1)}, quiet)
    for word in ("logged-v0: infos/log_prob", "generate the data with noise > 0"):
        assert word in str(error.value)


@pytest.mark.parametrize("name", ["wis", "dr"])
def test_a_deterministic_policy_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="set noise, or estimate with fqe"):
        estimator(name, noise=0.0).estimate(data(), {0: constant(0, 0)}, quiet)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"discount": 1.5}, "estimate.wis.discount"),
        ({"noise": -1.0}, "estimate.wis.noise"),
        ({"confidence": 1.0}, r"\(0, 1\)"),
        ({"resamples": 10}, "estimate.wis.resamples"),
        ({"updates": 3}, "an unknown key"),
    ],
)
def test_bad_parameters_are_refused(changes: Any, named: str) -> None:
    with pytest.raises(RefusedError, match=named):
        estimator("wis", **changes)
