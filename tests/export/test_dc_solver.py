"""Compensation, its search and its polynomial, on the bed and by hand."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.beds.cores.mixtures import Mixture
from tasks.export.cores.time_grid import make_nodes
from tasks.export.cores.unipc_plan import check_ratios, plan
from tasks.export.dc_solver.ratios import (
    Found,
    Reference,
    features,
    fine_times,
    fit,
    predict,
    search,
    trace,
)
from tasks.nets.sampling import Call, Plan, Sum, run
from tests.export.samplers import COSINE, LINEAR, TABLE, in_onnx, make, noise, sample

BED = Mixture.drawn()
RATIOS = [1.0, 1.0, 1.3, 0.8, 1.1, 1.6]


def steps_of(plan: Plan) -> dict[str, Call | Sum]:
    return {step.out: step for step in plan.steps}


@pytest.mark.parametrize("end", ["table", "clean"])
@pytest.mark.parametrize("own", [{}, {"order": 3, "variant": "bh1"}])
def test_ratio_1_is_unipc(end: str, own: dict[str, Any]):
    own = {"end": end, "clip": False, **own}
    ours = make("dc_solver", **own)
    theirs = sample(make("unipc", **own).plan(LINEAR, 6))
    torch.testing.assert_close(sample(ours.plan(LINEAR, 6)), theirs, rtol=0, atol=0)
    # the compensation itself gives the newest output back at ratio 1
    near = ours.plan(LINEAR, 6, [1, 1, *[1 + 1e-12] * 4])
    assert "m2_compensated" in steps_of(near)
    torch.testing.assert_close(sample(near), theirs, rtol=0, atol=1e-6)


def test_it_interpolates_in_time_and_what_it_makes_stays():
    own = make("dc_solver", **TABLE, order=3)
    found = own.plan(LINEAR, 6, RATIOS)
    told = steps_of(found)
    nodes = make_nodes(LINEAR, 6, own.params)
    t, weights = nodes.time, dict(told["m3_compensated"].terms)
    # of m1 untouched, of m2 what replaced it, of m3 the fresh one
    assert list(weights) == ["m3", "m2_compensated", "m1"]
    # L_k are exact for polynomials of t up to the second degree
    at = RATIOS[3] * t[3] + (1 - RATIOS[3]) * t[2]
    for power in range(3):
        got = sum(w * t[i] ** power for w, i in zip(weights.values(), (3, 2, 1)))  # noqa: B905
        assert got == pytest.approx(at**power, rel=1e-9)
    assert "m0_compensated" not in told
    assert "m1_compensated" not in told
    for out in ("x4_predicted", "x4", "x5_predicted", "x5"):
        names = {name for name, _ in told[out].terms}
        assert "m3_compensated" in names, out
        assert "m3" not in names, out
    assert {name for name, _ in told["m4_compensated"].terms} == {
        "m4", "m3_compensated", "m2_compensated",
    }  # fmt: skip
    assert found.calls == 6


def test_six_steps_equal_straight_line_code():
    """Order 2, bh2: rho of the corrector from its two equations."""
    own = make("dc_solver", **TABLE)
    n = make_nodes(LINEAR, 6, own.params)
    a, s, lam, t = n.alpha, n.sigma, n.lam, n.time
    x = noise(1)[0]

    def data(x: Tensor, i: int) -> Tensor:
        from tests.export.samplers import smooth

        return (x - s[i] * smooth(x, t[i])) / a[i]

    m = [data(x, 0)]
    for i in range(6):
        if i >= 2:
            at, mixed = RATIOS[i] * t[i] + (1 - RATIOS[i]) * t[i - 1], 0.0
            for k in (i, i - 1, i - 2):
                share = 1.0
                for other in {i, i - 1, i - 2} - {k}:
                    share *= (at - t[other]) / (t[k] - t[other])
                mixed = mixed + share * m[k]
            m[i] = mixed
        h = lam[i + 1] - lam[i]
        phi = np.expm1(-h)
        base = s[i + 1] / s[i] * x - a[i + 1] * phi * m[i]
        p = min(2, i + 1, 6 - i)
        r = (lam[i - 1] - lam[i]) / h if p == 2 else 1.0
        first = 0.5 * (m[i - 1] - m[i]) / r if p == 2 else 0.0
        guess = base - a[i + 1] * phi * first
        if i == 5:
            x = guess
            break
        m.append(data(guess, i + 1))
        g1 = phi / -h - 1
        b1, b2 = g1 / phi, 2 * (g1 / -h - 0.5) / phi
        late = (b2 - r * b1) / (1 - r) if p == 2 else 0.5
        early = (b1 - late) * (m[i - 1] - m[i]) / r if p == 2 else 0.0
        x = base - a[i + 1] * phi * (early + late * (m[i + 1] - m[i]))
    got = sample(own.plan(LINEAR, 6, RATIOS))
    torch.testing.assert_close(got, x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("corrector", ["all", "none"])
@pytest.mark.parametrize("rows", [1, 5])
def test_onnx_equals_torch_with_ratios(corrector: str, rows: int):
    made = make("dc_solver", corrector=corrector).plan(LINEAR, 6, RATIOS)
    got, wanted = in_onnx(made, noise(1, rows))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)


@cache
def searched(calls: int, guidance: float = 0.0) -> tuple[Found, Any, Any]:
    own = make("dc_solver", **TABLE)
    nodes = make_nodes(BED.schedule, calls, own.params)
    network, z = BED.network(guidance), BED.draw(10, 2)
    times = np.linspace(nodes.time[0], 0, int(nodes.time[0]) + 1)
    guide = trace(BED.schedule, times, network, "noise", z, None, clip=False)
    return search(
        nodes, own.form, network, "noise", z, None, guide, 40, 0.1
    ), nodes, own.form  # fmt: skip


def test_the_search_lowers_the_error_and_holds_on_other_noise():
    """10 samples to search on, 512 others to judge; each step ends nearer."""
    found, nodes, form = searched(6)
    assert found.ratios[:2] == [1, 1]
    assert all(ratio != 1 for ratio in found.ratios[2:])
    assert all(b < a for a, b in zip(found.before, found.after, strict=True) if a != b)
    assert found.after[2:] != found.before[2:]
    z, network = BED.draw(512, 1), BED.network(0.0)
    fine = make("ddim", **TABLE).plan(BED.schedule, BED.schedule.start(1e-4))
    with torch.no_grad():
        true = run(fine, network, "noise", [z])
        errors = [
            (run(plan(nodes, "x", form, r), network, "noise", [z]) - true)
            .square()
            .mean()
            .item()
            for r in (None, found.ratios)
        ]
    assert errors[1] < errors[0]


def test_a_ratio_is_at_the_bottom_of_what_it_was_searched_for():
    """The loss is after the corrector, its slope through the corrector's call.

    A ratio a little to either side of what AdamW found makes the first searched step
    worse, and the slope there agrees with the difference of both sides.
    """
    found, nodes, form = searched(6)
    z, network = BED.draw(10, 2), BED.network(0.0)
    times = np.linspace(nodes.time[0], 0, int(nodes.time[0]) + 1)
    true = trace(BED.schedule, times, network, "noise", z, None, clip=False)

    def loss(ratio: float) -> float:
        ratios = [1, 1, ratio, 1, 1, 1]
        made = plan(nodes, "x", form, ratios)
        until = [s.out for s in made.steps].index("x3") + 1
        part = Plan("part", (*made.steps[:until], Sum("action", (("x3", 1.0),))), 1)
        with torch.no_grad():
            got = run(part, network, "noise", [z])
        return (got - true.at(nodes.time[3])).square().mean().item()

    best = loss(found.ratios[2])
    assert best == pytest.approx(found.after[2], rel=1e-9)
    assert loss(1.0) == pytest.approx(found.before[2], rel=1e-9)
    for side in (-0.1, 0.1):
        assert loss(found.ratios[2] + side) > best


def test_the_search_is_the_same_again():
    first = searched(5)[0]
    searched.cache_clear()
    assert searched(5)[0] == first


def test_the_polynomial_has_36_coefficients_and_predicts_off_its_grid():
    """Fitted at N in 5, 6, 8, 10 and w in 0, 2, 6, 8 of a known one; asked between."""
    assert features(7, 4.0).shape == (7, 36)
    row = features(7, 4.0)[2].reshape(4, 3, 3)
    wanted = (3 / 7) ** 3 * (4 / 12) ** 2 * (7 / 50)
    assert row[3, 2, 1] == pytest.approx(wanted)
    draw = np.random.default_rng(0)
    true = draw.standard_normal(36)
    grid = [(n, w) for n in (5, 6, 8, 10) for w in (0.0, 2.0, 6.0, 8.0)]
    found = fit([(n, w, features(n, w) @ true) for n, w in grid])
    assert found.shape == (36,)
    for n, w in ((7, 4.0), (9, 5.0)):
        got = predict(found, n, w)
        assert got[:2] == [1, 1]
        np.testing.assert_allclose(got[2:], (features(n, w) @ true)[2:], rtol=1e-3)


@pytest.mark.slow
def test_predicted_ratios_come_near_searched_ones():
    """On the bed: fitted without N = 7 and w = 4, asked for both.

    In the mean they are not half as far from the searched ones as ratios of 1 are.
    """
    grid = [(n, w) for n in (5, 6, 8) for w in (0.0, 2.0, 6.0, 8.0)]
    found = fit([(n, w, searched(n, w)[0].ratios) for n, w in grid])
    true = np.array(searched(7, 4.0)[0].ratios)
    asked = np.array(predict(found, 7, 4.0))
    assert np.abs(asked - true).mean() < np.abs(1 - true).mean() / 2


def test_a_reference_passes_the_nodes():
    for end in ("table", "clean"):
        for times in ("whole", "any"):
            own = make("dc_solver", end=end, times=times).params
            nodes = make_nodes(COSINE, 6, own)
            found = fine_times(nodes, 200, times == "whole")
            assert set(nodes.time) <= set(found)
            assert np.all(np.diff(found) < 0)
            assert len(found) > (200 if times == "any" else COSINE.start(1e-4))


@pytest.mark.parametrize(
    "ratios",
    [
        [1.0] * 5,
        [1.0] * 7,
        [1, 1, float("nan"), 1, 1, 1],
        [1, 1, float("inf"), 1, 1, 1],
        [1.1, 1, 1, 1, 1, 1],  # no history to interpolate along
        [1, 0.9, 1, 1, 1, 1],
    ],
)
def test_ratios_that_do_not_fit_are_refused(ratios: list[float]):
    with pytest.raises(RefusedError, match="dc_ratios.json: ratios: found"):
        check_ratios(6, ratios)
    with pytest.raises(RefusedError, match="dc_ratios.json"):
        make("dc_solver").plan(LINEAR, 6, ratios)


def test_a_reference_of_something_else_is_refused():
    own = make("dc_solver", **TABLE)
    nodes = make_nodes(BED.schedule, 4, own.params)
    network, z, rows = BED.network(0), BED.draw(4, 0), torch.zeros(1, 4, 2)
    given = (BED.schedule, nodes.time, network, "noise")
    guide = trace(*given, z, rows, clip=False)
    assert guide.at(float(nodes.time[4])).shape == z.shape

    def searching(noise: Tensor, seen: Tensor, reference: Reference) -> Found:
        return search(nodes, own.form, network, "noise", noise, seen, reference, 1, 0.1)

    assert len(searching(z, rows, guide).ratios) == 4
    for noise_, seen in ((BED.draw(4, 1), rows), (z, rows + 1)):
        with pytest.raises(RefusedError, match="the same noise and observations"):
            searching(noise_, seen, guide)
    with pytest.raises(RefusedError, match="a time the reference passes"):
        guide.at(7.5)


def test_what_cannot_be_searched_is_refused():
    for key, value in (
        ("samples", 0), ("rate", 0.0), ("fine", 0), ("predict", [2]), ("order", 0),
        ("iterations", -1),
    ):  # fmt: skip
        with pytest.raises(RefusedError, match=f"export.dc_solver.{key}"):
            make("dc_solver", **{key: value})
    with pytest.raises(RefusedError, match="found 2, expected at least 3"):
        make("dc_solver", order=3).plan(LINEAR, 2)
    with pytest.raises(RefusedError, match="export.dc_solver.predict"):
        fit([(2, 0.0, [1.0, 1.0])])
