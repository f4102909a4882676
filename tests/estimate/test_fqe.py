"""FQE: the closed form of a small chain, its stack, refusals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tasks.artifacts.density import Gaussian
from tasks.artifacts.errors import RefusedError
from tasks.estimate.cores.fitted_q import Fitted, _bounds, _scale
from tests.estimate.logged import constant, estimator, quiet, transitions

GAMMA, STATES = 0.8, 3
SMALL = {
    "hidden": [32],
    "updates": 600,
    "batch": 32,
    "rate": 1e-2,
    "polyak": 0.05,
    "discount": GAMMA,
    "resamples": 100,
}


def chain() -> Any:
    """Three states in a row, one-hot; +1 goes on, -1 stays at a cost of 0.1.

    Going on from the last earns 1 and terminates. Every pair is logged once, each an
    episode of one step that is cut off (truncated) unless it terminates.
    """
    eye = np.eye(STATES)
    states = np.repeat(np.arange(STATES), 2)
    actions = np.tile([1.0, -1.0], STATES)
    goes = actions > 0
    ends = goes & (states == STATES - 1)
    after = np.where(goes, np.minimum(states + 1, STATES - 1), states)
    rewards = [
        [1.0 if end else 0.0 if go else -0.1]
        for go, end in zip(goes, ends, strict=True)
    ]
    return transitions(
        rewards, ends.tolist(), eye[states], actions[:, None], eye[after]
    )


def at_each(values: dict[int, float]) -> Any:
    """A policy by state."""

    def act(observation: Any) -> Gaussian:
        mean = np.array([[values[int(k)]] for k in observation.argmax(axis=1)])
        return Gaussian(mean, np.zeros_like(mean), squashed=False)

    return act


def closed_form(go: list[float]) -> np.ndarray:
    """V of a policy that goes on with a probability in each state."""
    p = np.zeros((STATES, STATES))
    r = np.zeros(STATES)
    for s, share in enumerate(go):
        p[s, s] += 1 - share
        r[s] += -0.1 * (1 - share)
        if s < STATES - 1:
            p[s, s + 1] += share
        else:
            r[s] += share
    return np.linalg.solve(np.eye(STATES) - GAMMA * p, r)


def test_it_is_the_closed_form() -> None:
    """Of three policies in one stack with two members each: to 0.02 of 1.

    The one that always stays never ends: truncation bootstraps, termination does not.
    """
    targets = {
        0: constant(1.0, 0.0),
        1: constant(-1.0, 0.0),
        2: at_each({0: 1.0, 1: -1.0, 2: 1.0}),
    }
    p = estimator("fqe", **SMALL, members=2).params
    fitted = Fitted(p, chain(), targets)
    fitted.fit(quiet)
    found = fitted.v(np.eye(STATES, dtype=np.float32)).mean(axis=1)
    for k, go in enumerate([[1, 1, 1], [0, 0, 0], [1, 0, 1]]):
        np.testing.assert_allclose(found[k], closed_form(go), atol=0.02)
    assert found[0, 0] == pytest.approx(GAMMA**2, abs=0.02)
    assert found[1, 0] == pytest.approx(-0.1 / (1 - GAMMA), abs=0.02)
    assert fitted.error < 0.02


def test_a_policy_with_noise_is_a_mean_over_its_actions() -> None:
    """A wide clipped Gaussian is nearly always at a bound, each as often. To 0.05."""
    p = estimator("fqe", **SMALL, noise=1.0, samples=200).params
    fitted = Fitted(p, chain(), {0: constant(0.0, 1000.0)})
    fitted.fit(quiet)
    found = fitted.v(np.eye(STATES, dtype=np.float32))[0, 0]
    np.testing.assert_allclose(found, closed_form([0.5, 0.5, 0.5]), atol=0.05)


def test_what_it_says() -> None:
    targets = {0: constant(1.0, 0.0), 4: constant(-1.0, 0.0)}
    small = {**SMALL, "updates": 40, "members": 3}
    found = estimator("fqe", **small).estimate(chain(), targets, quiet)
    rows = found["per_seed"]
    assert [row["seed"] for row in rows] == [0, 4]
    mean = np.mean([row["mean"] for row in rows])
    assert found["discounted"]["mean"] == pytest.approx(mean)
    assert all(row["low"] <= row["mean"] <= row["high"] for row in rows)
    assert len(found["members_std"]) == 2
    assert min(found["members_std"]) > 0
    assert found["undiscounted"] is None  # some episodes terminated
    endless = replace(chain(), terminated=np.zeros(6, np.float32))
    found = estimator("fqe", **small).estimate(endless, targets, quiet)
    step = found["discounted"]["mean"] * (1 - GAMMA)
    assert found["undiscounted"]["mean"] == pytest.approx(step)  # one step long


def test_a_seed_alone_equals_the_same_in_the_stack() -> None:
    """To 1e-6; three members, with noise."""
    small = {**SMALL, "updates": 30, "members": 3, "noise": 1.0}
    run = estimator("fqe", **small)
    both = {3: constant(0.5, 0.3), 1: constant(-0.5, 0.3)}
    stack = run.estimate(chain(), both, quiet)["per_seed"]
    alone = run.estimate(chain(), {1: both[1]}, quiet)["per_seed"]
    assert stack[1]["mean"] == pytest.approx(alone[0]["mean"], abs=1e-6)


def test_one_step_is_the_equation() -> None:
    """The first update against float64, one policy and member: to 1e-5.

    Adam's first step moves every weight by its rate, against the gradient's sign; the
    target follows by polyak.
    """
    data = chain()
    p = estimator("fqe", **{**SMALL, "updates": 1}).params
    fitted = Fitted(p, data, {2: constant(1.0, 0.0)})
    before = [x.detach().double().clone() for x in fitted.net.parameters()]
    weights = [x.clone().requires_grad_() for x in before]

    def q(x: torch.Tensor, w: list[torch.Tensor]) -> torch.Tensor:
        return (torch.relu(x @ w[0][0] + w[1][0]) @ w[2][0] + w[3][0])[:, 0]

    rows = np.random.default_rng([2, 0]).integers(0, 6, (256, 32))[0]
    take = lambda x: torch.from_numpy(np.asarray(x)[rows].astype(np.float64))  # noqa: E731
    x = torch.cat([take(data.observation), take(data.action)], dim=1)
    x2 = torch.cat([take(data.next_observation), torch.ones(32, 1)], dim=1)
    scale = np.sqrt(np.mean(data.reward.astype(np.float64) ** 2))
    y = take(data.reward) / scale + GAMMA * (1 - take(data.terminated)) * q(x2, before)
    loss = (q(x, weights) - y).square().mean()
    gradients = torch.autograd.grad(loss, weights)
    fitted.fit(quiet)
    assert fitted.error == pytest.approx(float(loss.detach().sqrt()) * scale, rel=1e-5)
    after = zip(before, gradients, fitted.net.parameters(), strict=True)
    for old, gradient, new in after:
        moved = old - p.rate * gradient / (gradient.abs() + 1e-8)
        np.testing.assert_allclose(new.detach(), moved, atol=1e-5)
    for old, new, slow in zip(
        before, fitted.net.parameters(), fitted.target.parameters(), strict=True
    ):
        mixed = (1 - p.polyak) * old + p.polyak * new.detach().double()
        np.testing.assert_allclose(slow, mixed, atol=1e-6)


def test_values_stay_within_what_rewards_can_add_up_to() -> None:
    """Where every reward is the same, the bounds leave one value: 1 / (1 - 0.8)."""
    data = transitions([[-1.0, -1.0], [-1.0]], [False, False])
    p = estimator("fqe", **{**SMALL, "updates": 1}).params
    fitted = Fitted(p, data, {0: constant(1.0, 0.0)})
    np.testing.assert_allclose(fitted.v(data.observation), -5, rtol=1e-6)
    fitted.fit(quiet)
    assert fitted.bounded.tolist() == [1.0]
    ends = _bounds(transitions([[2.0], [3.0]], [True, False]), 0.5, 2.0)
    assert ends == (1.0, 3.0)  # once 2, or 3 for ever
    assert _bounds(transitions([[-2.0], [-3.0]], [True, False]), 0.5, 1) == (-6, -2)
    assert _bounds(data, 1.0, 1.0) == (-np.inf, np.inf)


def test_the_scale_is_of_discounted_returns_to_go() -> None:
    data = transitions([[1.0, 2.0], [4.0]], [True, False])
    expected = np.sqrt((2.0**2 + 2**2 + 4**2) / 3)
    assert _scale(data, 0.5) == pytest.approx(expected)
    assert _scale(transitions([[0.0]], [True]), 0.5) == 1.0


def test_divergence_is_refused() -> None:
    data = chain()
    data.reward[0] = np.inf
    with pytest.raises(RefusedError, match="not finite before update 40"):
        estimator("fqe", **{**SMALL, "updates": 40}).estimate(
            data, {0: constant(1.0, 0.0)}, quiet
        )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"members": 0}, "estimate.fqe.members"),
        ({"hidden": [0]}, "estimate.fqe.hidden"),
        ({"rate": 0.0}, "estimate.fqe.rate"),
        ({"member": 2}, "did you mean members"),
    ],
)
def test_bad_parameters_are_refused(changes: Any, named: str) -> None:
    with pytest.raises(RefusedError, match=named):
        estimator("fqe", **changes)
