"""How likely actions are: against scipy, sums to one, ratios."""

import numpy as np
import pytest
from scipy import special, stats

from tasks.artifacts.density import (
    LIMIT,
    Gaussian,
    log_tail,
    scaled,
    uniform_log_prob,
)


def one(mean: float, std: float, squashed: bool) -> Gaussian:
    return Gaussian(np.array([mean]), np.array([std]), squashed)


def test_the_tail_is_scipys() -> None:
    """To 2e-7, from certain to far beyond the smallest float64."""
    x = np.array([-40.0, -3.0, 0.0, 2.5, 9.99, 10.01, 37.0, 900.0])
    np.testing.assert_allclose(log_tail(x), special.log_ndtr(-x), rtol=2e-7)


@pytest.mark.parametrize("squashed", [True, False])
@pytest.mark.parametrize(("mean", "std"), [(0.3, 0.4), (-1.2, 0.8), (0.97, 0.05)])
def test_probabilities_sum_to_one(mean: float, std: float, squashed: bool) -> None:
    """Inside by the trapezium rule, beyond the limits two masses: to 1e-3."""
    gaussian = one(mean, std, squashed)
    grid = np.linspace(-LIMIT, LIMIT, 400_001)[1:-1]
    inside = np.trapezoid(np.exp(gaussian.log_prob(grid[:, None])), grid)
    ends = np.exp(gaussian.log_prob(np.array([[-1.0], [1.0]]))).sum()
    assert inside + ends == pytest.approx(1, abs=1e-3)


def test_inside_it_is_the_density() -> None:
    a = np.array([[0.2], [-0.9]])
    clipped = stats.norm(0.1, 0.5).logpdf(a[:, 0])
    np.testing.assert_allclose(one(0.1, 0.5, False).log_prob(a), clipped)
    u = np.arctanh(a[:, 0])
    squashed = stats.norm(0.1, 0.5).logpdf(u) - np.log(1 - a[:, 0] ** 2)
    np.testing.assert_allclose(one(0.1, 0.5, True).log_prob(a), squashed)


@pytest.mark.parametrize("squashed", [True, False])
def test_at_the_bounds_it_is_what_piles_up_there(squashed: bool) -> None:
    """A fifth of 200 000 samples or so lies there; four standard errors."""
    gaussian = one(0.6 if not squashed else 4.8, 0.5, squashed)
    draws = np.random.default_rng(0).standard_normal((200_000, 1))
    at = gaussian.sample(draws) >= LIMIT
    share = float(np.exp(gaussian.log_prob(np.array([1.0]))))
    assert 0.1 < share < 0.4
    assert at.mean() == pytest.approx(share, abs=4 * (share / 200_000) ** 0.5)


def test_dimensions_multiply_and_float32_at_the_bound_is_finite() -> None:
    gaussian = Gaussian(np.array([[0.0, 9.0, -30.0]]), np.ones((1, 3)), squashed=True)
    action = np.tanh(np.array([[0.3, 9.5, 2.0]])).astype(np.float32)
    log_prob = gaussian.log_prob(action.astype(np.float64))
    parts = [
        Gaussian(
            gaussian.mean[:, k : k + 1], gaussian.std[:, :1], squashed=True
        ).log_prob(action[:, k : k + 1].astype(np.float64))
        for k in range(3)
    ]
    np.testing.assert_allclose(log_prob, np.sum(parts, axis=0))
    assert np.isfinite(log_prob).all()


def test_a_mean_importance_ratio_is_one() -> None:
    """Of a squashed and, inside, of a clipped one against an even one: to 0.02."""
    draw = np.random.default_rng(1)
    behaviour, target = one(0.2, 0.9, True), one(0.5, 0.4, False)
    a = behaviour.sample(draw.standard_normal((400_000, 1)))
    a[np.abs(a) >= LIMIT] = np.sign(a[np.abs(a) >= LIMIT])
    ratio = np.exp(one(0.1, 0.7, True).log_prob(a) - behaviour.log_prob(a))
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    even = draw.uniform(-LIMIT, LIMIT, (400_000, 1))
    inside = np.exp(target.log_prob(even) - uniform_log_prob(even))
    clipped = np.exp(target.log_prob(np.array([[-1.0], [1.0]]))).sum()
    assert inside.mean() == pytest.approx(1 - clipped, abs=0.02)


def test_scaling() -> None:
    low, high = np.array([-2, 0], np.float32), np.array([2, 1], np.float32)
    actions = scaled(np.array([[1, 0.25], [-2, 1]], np.float32), low, high)
    np.testing.assert_allclose(actions, [[0.5, -0.5], [-1, 1]])
