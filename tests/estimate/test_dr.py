"""DR: the sum as the paper writes it, exact with a perfect Q, refusals."""

from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.estimate.cores.importance import log_weights
from tasks.estimate.dr import combine
from tests.estimate.logged import constant, estimator, quiet, transitions
from tests.estimate.test_fqe import GAMMA, SMALL, STATES, chain, closed_form
from tests.estimate.test_wis import data

RATES = {"discount": 0.9, "resamples": 100}


def test_it_is_the_papers_sum() -> None:
    """Thomas & Brunskill's WDR on two episodes, with made-up values. To 1e-6.

    The second is truncated: its last observation's value counts at the end.
    """
    gamma, logged = 0.9, data()
    log = log_weights(logged, constant(0.2, 0.4), 1.0)
    draw = np.random.default_rng(0)
    q, after, first = (draw.normal(size=(1, n)) for n in (5, 5, 2))
    after[0, :2], after[0, 3] = [0.3, -0.2], 0.8  # of the observations in between
    w = np.exp(log) / np.exp(log).sum(axis=0)  # (2, 3)
    values = {
        0: (first[0, 0], 0.3, -0.2, 0.0),  # terminated
        1: (first[0, 1], 0.8, after[0, 4], None),
    }
    rewards, qs = [[1.0, 2.0, -1.0], [0.5, 4.0]], [q[0, :3], q[0, 3:]]
    expected = 0.0
    for i in range(2):
        for t, reward in enumerate(rewards[i]):
            before = 1 / 2 if t == 0 else w[i, t - 1]
            expected += gamma**t * w[i, t] * reward
            expected -= gamma**t * (w[i, t] * qs[i][t] - before * values[i][t])
    expected += gamma**2 * w[1, 1] * values[1][2]
    p = estimator("dr", **RATES).params
    found = combine(logged, [log], q, first, after, p, [3])
    assert found["discounted"]["mean"] == pytest.approx(expected, rel=1e-6)
    assert found["per_seed"][0]["seed"] == 3


def test_a_perfect_q_is_exact_whatever_the_weights() -> None:
    """On the chain, which is deterministic; every resample gives its own mean V."""
    logged = chain()
    v = closed_form([1, 1, 1])
    state = logged.observation.argmax(axis=1)
    q = np.where(
        logged.action[:, 0] > 0,
        np.append(GAMMA * v[1:], 1.0)[state],
        -0.1 + GAMMA * v[state],
    )
    after = v[logged.next_observation.argmax(axis=1)]
    wild = np.random.default_rng(0).normal(0, 50, (6, 1))
    p = estimator("dr", discount=GAMMA, resamples=100).params
    found = combine(logged, [wild], q[None], v[state][None], after[None], p, [0])
    assert found["discounted"]["mean"] == pytest.approx(v.mean(), abs=1e-6)
    assert found["discounted"]["low"] < v.mean() < found["discounted"]["high"]


def test_it_mends_a_q_that_was_hardly_fitted() -> None:
    """Data of the policy itself, many episodes: weights are 1, so the sum is a mean.

    Then the errors of Q cancel but for the last bootstrap: here, where every episode
    terminates, the estimate is the plain mean return whatever Q. To 1e-5.
    """
    draw = np.random.default_rng(0)
    rewards = [draw.normal(size=4).tolist() for _ in range(30)]
    observation = draw.normal(size=(120, STATES))
    after = np.roll(observation, -1, axis=0)
    action = np.clip(draw.normal(0, 0.5, (120, 1)), -0.99, 0.99)
    target = constant(0.0, 0.5)
    logged = transitions(
        rewards,
        [True] * 30,
        observation,
        action,
        after,
        target(observation).log_prob(action),
    )
    small = {**SMALL, "updates": 3, "noise": 1.0, "samples": 2}
    found = estimator("dr", **small).estimate(logged, {0: target}, quiet)
    returns = [np.array(r) @ GAMMA ** np.arange(4) for r in rewards]
    q_error = found["discounted"]["mean"] - np.mean(returns)
    assert found["undiscounted"] is None
    assert found["effective"][0]["at_end"] == pytest.approx(30, rel=1e-5)
    # V is a mean over other actions than the logged ones, so Q(s, a) - V(s) stays
    assert abs(q_error) < 0.2
    plain = estimator("fqe", **small).estimate(logged, {0: target}, quiet)
    assert abs(plain["discounted"]["mean"] - np.mean(returns)) > abs(q_error)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"noise": 11.0}, "estimate.dr.noise"),
        ({"samples": 0}, "estimate.dr.samples"),
        ({"sample": 1}, "did you mean samples"),
    ],
)
def test_bad_parameters_are_refused(changes: Any, named: str) -> None:
    with pytest.raises(RefusedError, match=named):
        estimator("dr", **changes)
