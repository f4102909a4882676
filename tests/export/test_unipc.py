"""UniPC's sums against straight-line code, and what it must coincide with."""

from math import factorial

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tests.export.samplers import COSINE, LINEAR, TABLE, make, noise, sample, smooth


def straight(times: list[float], order: int, variant: str, corrector: bool) -> Tensor:
    """The paper's loop, with explicit matrices."""
    abar = np.array([LINEAR.table[int(t)] for t in times])
    a, s = np.sqrt(abar), np.sqrt(1 - abar)
    lam, n = np.log(a / s), len(times) - 1
    x = noise(1)[0]
    m: list[Tensor] = [(x - s[0] * smooth(x, times[0])) / a[0]]
    for i in range(n):
        p, h = min(order, i + 1, n - i), lam[i + 1] - lam[i]
        k, phi = -h, np.expm1(-h)
        scale = k if variant == "bh1" else phi
        r = [(lam[i - j] - lam[i]) / h for j in range(1, p)] + [1.0]
        g, b = phi / k - 1, []
        for q in range(1, p + 1):
            b.append(g * factorial(q) / scale)
            g = g / k - 1 / factorial(q + 1)
        matrix = np.array([[rj**row for rj in r] for row in range(p)])
        base = s[i + 1] / s[i] * x - a[i + 1] * phi * m[i]
        past = [(m[i - j] - m[i]) / r[j - 1] for j in range(1, p)]
        rho = np.linalg.solve(matrix[:-1, :-1], b[:-1]) if p > 2 else [0.5]
        guess = base - a[i + 1] * scale * sum(
            (w * d for w, d in zip(rho, past, strict=False)), start=torch.zeros(())
        )
        if i == n - 1:
            return guess
        m.append((guess - s[i + 1] * smooth(guess, times[i + 1])) / a[i + 1])
        x = guess
        if corrector:
            rho = np.linalg.solve(matrix, b) if p > 1 else [0.5]
            past.append(m[i + 1] - m[i])
            x = base - a[i + 1] * scale * sum(
                (w * d for w, d in zip(rho, past, strict=True)), start=torch.zeros(())
            )
    raise AssertionError


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("variant", ["bh1", "bh2"])
@pytest.mark.parametrize("corrector", ["all", "none"])
def test_six_steps_equal_straight_line_code(order: int, variant: str, corrector: str):
    own = {"order": order, "variant": variant, "corrector": corrector, **TABLE}
    plan = make("unipc", **own).plan(LINEAR, 6)
    times = [step.time for step in plan.steps if hasattr(step, "time")]
    wanted = straight([*times, 0], order, variant, corrector == "all")
    assert plan.calls == 6
    torch.testing.assert_close(sample(plan), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("end", ["table", "clean"])
def test_its_first_order_predictor_is_ddim(end: str):
    own = {"end": end, "clip": False}
    unipc = make("unipc", order=1, corrector="none", **own).plan(COSINE, 6)
    ours, theirs = sample(unipc), sample(make("ddim", **own).plan(COSINE, 6))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_correctors_follow_the_steps_they_should():
    made = {}
    for which in ("all", "later", "none"):
        plan = make("unipc", corrector=which, **TABLE).plan(LINEAR, 5)
        assert plan.calls == 5
        made[which] = [s.out for s in plan.steps if s.out.endswith("predicted")]
    assert made == {
        "all": [f"x{i}_predicted" for i in (1, 2, 3, 4)],
        "later": [f"x{i}_predicted" for i in (2, 3, 4)],
        "none": [],
    }


def test_fewer_calls_than_its_order_and_odd_forms_are_refused():
    with pytest.raises(RefusedError, match="found 2, expected at least 3"):
        make("unipc", order=3).plan(LINEAR, 2)
    for key, value in (("order", 4), ("variant", "bh3"), ("corrector", "some")):
        with pytest.raises(RefusedError, match=f"export.unipc.{key}"):
            make("unipc", **{key: value})
