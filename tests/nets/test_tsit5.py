"""Tsit5: its order, its steps, and what it refuses."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from tasks.artifacts.errors import RefusedError
from tasks.nets.tsit5 import EMBEDDED, A, C, Tolerance, first_size, solve, step

BEND = np.array([[-0.3, 2.0], [-2.0, -0.1]])
TIGHT = Tolerance(1e-10, 1e-10)


def bent(u, t):
    """U' = B tanh(u) + (sin 3t, 0), a slice a row."""
    push = np.stack([np.sin(3 * t), 0 * t], 1)
    return np.tanh(u) @ BEND.T + push


START = np.array([[1.0, -0.5], [0.2, 3.0], [-2.0, 0.1]])


def exact(row: np.ndarray, end: float) -> np.ndarray:
    field = lambda t, u: bent(u[None], np.array([t]))[0]  # noqa: E731
    told = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13}
    return solve_ivp(field, (0, end), row, **told).y[:, -1]


def test_the_tableau_is_consistent():
    for i in range(1, 7):
        assert sum(A[i]) == pytest.approx(C[i], abs=1e-12)
    assert sum(EMBEDDED) == pytest.approx(0, abs=1e-12)


def test_a_step_errs_in_the_sixth_order_and_its_estimate_in_the_fifth():
    errors, estimates = [], []
    for h in (0.2, 0.1):
        t, size = np.zeros(3), np.full(3, h)
        u_new, stages, _ = step(bent, t, START, size, bent(START, t))
        right = np.array([exact(row, h) for row in START])
        errors.append(np.abs(u_new - right).max())
        weighted = sum(b * k for b, k in zip(EMBEDDED, stages, strict=True))
        estimates.append(np.abs(h * weighted).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(6, abs=0.7)
    assert np.log2(estimates[0] / estimates[1]) == pytest.approx(5, abs=0.7)


def test_it_reaches_the_end_as_scipy_does():
    found = solve(bent, START, (0.0, 4.0), TIGHT).state
    right = np.array([exact(row, 4.0) for row in START])
    assert np.abs(found - right).max() < 1e-8


def test_a_slice_alone_is_the_slice_of_a_stack_and_evaluations_are_counted():
    together = solve(bent, START, (0.0, 4.0), TIGHT)
    assert len(set(together.evaluations.tolist())) > 1
    for k in range(3):
        calls = []

        def counted(u, t, calls=calls):
            calls.append(1)
            return bent(u, t)

        alone = solve(counted, START[k : k + 1], (0.0, 4.0), TIGHT)
        assert np.allclose(alone.state[0], together.state[k], atol=1e-13)
        assert alone.evaluations[0] == together.evaluations[k] == len(calls)
        assert (len(calls) - 2) % 6 == 0


def test_torch_and_numpy_agree():
    bend = torch.from_numpy(BEND)

    def field(u, t):
        push = torch.from_numpy(np.stack([np.sin(3 * t), 0 * t], 1))
        return torch.tanh(u) @ bend.T + push

    ours = solve(field, torch.from_numpy(START), (0.0, 2.0), TIGHT)
    theirs = solve(bent, START, (0.0, 2.0), TIGHT)
    assert np.abs(ours.state.numpy() - theirs.state).max() < 1e-12
    assert np.array_equal(ours.evaluations, theirs.evaluations)


def test_a_tighter_tolerance_errs_less_and_asks_more():
    right = np.array([exact(row, 4.0) for row in START])
    loose, tight = (
        solve(bent, START, (0.0, 4.0), Tolerance(x, x)) for x in (1e-4, 1e-8)
    )
    errors = [np.abs(s.state - right).max() for s in (loose, tight)]
    assert errors[1] < 1e-3 * errors[0]
    assert (tight.evaluations > loose.evaluations).all()


def test_a_jump_makes_it_reject_steps():
    def jump(u, t):
        return np.where(t[:, None] > 0.5, 50.0, 1.0) + 0 * u

    found = solve(jump, np.zeros((1, 1)), (0.0, 1.0), Tolerance(1e-6, 1e-6))
    assert found.rejected[0] > 0
    assert found.state[0, 0] == pytest.approx(25.5, abs=1e-3)


def test_the_first_size_is_hairers():
    t, u = np.zeros(1), np.array([[2.0]])
    field = lambda u, _: -3 * u  # noqa: E731
    h = first_size(field, t, u, field(u, t), np.ones(1), Tolerance(1e-3, 1e-3))
    scale = 1e-3 + 1e-3 * 2
    d0, d1 = 2 / scale, 6 / scale
    h0 = 0.01 * d0 / d1
    d2 = abs(-3 * (2 - 6 * h0) + 6) / scale / h0
    assert h[0] == pytest.approx(min(100 * h0, (0.01 / max(d1, d2)) ** 0.2, 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ends": (1.0, 1.0)}, "time: found 1 to 1, expected a later end"),
        ({"ends": (1.0, 0.0)}, "time: found 1 to 0"),
        ({"tolerance": Tolerance(0.0, 1e-3)}, "tolerance: found atol 0"),
        ({"tolerance": Tolerance(1e-3, -1.0)}, "rtol -1, expected both above 0"),
        ({"u": np.zeros((2, 0))}, r"batch: found \(2, 0\), expected at least one row"),
        (
            {"tolerance": Tolerance(1e-9, 1e-9, 3)},
            "found 3 steps, and t = 0.* with ste",
        ),
        ({"f": lambda u, _: u / 0 * np.nan}, "found NaN or infinity at t = 0"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_solved_is_refused(change, said):
    given = {"f": bent, "u": START, "ends": (0.0, 4.0), "tolerance": TIGHT, **change}
    with pytest.raises(RefusedError, match=said) as caught:
        solve(**given)
    assert "\n" not in str(caught.value)
