"""Lamba's Euler-Heun: a solution that is known, its steps, and what it refuses."""

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.nets.heun import CELLS, EVALUATIONS, path, solve, step
from tasks.nets.tsit5 import Tolerance

A, B = -0.5, 0.6


def growth(u):
    """Du = A u dt + B u o dW: u = u(0) exp(A t + B W)."""
    return A * u, B * u


def ways(n: int = 400) -> np.ndarray:
    normal = np.random.default_rng(0).standard_normal((2, CELLS, n))
    return path(normal, 1.0)


def test_a_path_has_the_variance_of_its_time():
    w = ways(4000)
    assert (w[:, 0] == 0).all()
    assert w[:, -1].var() == pytest.approx(1, rel=0.05)
    assert w[:, CELLS // 4].var() == pytest.approx(0.25, rel=0.05)


def test_it_meets_the_solution_and_a_tighter_tolerance_errs_less():
    w, u = ways(), np.ones((2, 400))
    right = np.exp(A + B * w[:, -1])
    errors, asked = [], []
    for x in (0.1, 0.01):
        found = solve(growth, u, w, 1.0, Tolerance(x, x))
        errors.append(np.sqrt(np.mean((found.state - right) ** 2)))
        asked.append(found.evaluations.min())
    assert errors[1] < errors[0] < 0.05
    assert asked[1] > asked[0]


def test_a_step_by_hand_and_its_error():
    u, h, dw = np.array([[2.0]]), np.array([0.04]), np.array([[0.3]])
    u_new, e = step(growth, u, h, dw)
    t = 2 + 0.04 * A * 2 + B * 2 * 0.3
    assert u_new[0, 0] == pytest.approx(
        2 + 0.02 * (A * 2 + A * t) + 0.15 * (B * 2 + B * t)
    )
    drift = 0.02 * A * (0.04 * A * 2) / 6
    noise = (B * (2 + B * 2 * 0.2) - B * 2) / 0.2 * 0.09 / 2
    assert e[0, 0] == pytest.approx(drift + noise)


def test_steps_lie_side_by_side_whatever_was_rejected():
    def sharp(u):
        return 0 * u, 0.3 * np.sin(16 * u) + 0.5

    found = solve(
        sharp, np.zeros((2, 400)), ways(), 1.0, Tolerance(0.03, 0.03), keep=True
    )
    assert found.rejected.sum() > 0
    for k in range(2):
        taken = [h[k] for _, h, _, on in found.steps if on[k]]
        assert sum(taken) == pytest.approx(1)
        total = sum(dw[k] for _, _, dw, on in found.steps if on[k])
        assert np.allclose(total, ways()[k, -1])
    rounds = [(found.evaluations[k] - 0) / EVALUATIONS for k in range(2)]
    assert all(r == int(r) for r in rounds)


def test_a_slice_alone_is_the_slice_of_a_stack():
    u, w, tight = (
        np.random.default_rng(1).random((2, 400)),
        ways(),
        Tolerance(0.02, 0.02),
    )
    both = solve(growth, u, w, 1.0, tight)
    for k in range(2):
        alone = solve(growth, u[k : k + 1], w[k : k + 1], 1.0, tight)
        assert np.allclose(alone.state[0], both.state[k], atol=1e-14)
        assert alone.evaluations[0] == both.evaluations[k]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"end": 0.0}, "time: found 0 to 0"),
        ({"tolerance": Tolerance(0.1, 0.0)}, "tolerance"),
        ({"tolerance": Tolerance(1e-9, 1e-9)}, "a step of 0.0039.* too long at t = 0"),
        ({"fields": lambda u: (u * np.nan, u)}, "NaN or infinity"),
        ({"u": np.zeros((2, 0))}, "at least one row"),
    ],
)
def test_what_cannot_be_solved_is_refused(change, said):
    given = {
        "fields": growth, "u": np.ones((2, 400)), "w": ways(), "end": 1.0,
        "tolerance": Tolerance(0.1, 0.1), **change,
    }  # fmt: skip
    with pytest.raises(RefusedError, match=said):
        solve(**given)
