"""Each box of what makes DEIS itself: weights, exactness, order, families."""

import time

import numpy as np
import pytest
import torch

from tasks.artifacts.errors import RefusedError
from tasks.export.cores.time_grid import make_nodes
from tasks.export.deis import BASHFORTH, rho_weights, time_weights
from tests.export.samplers import (
    COSINE,
    LINEAR,
    TABLE,
    in_onnx,
    make,
    noise,
    sample,
    smooth,
)

EVERY = [
    *({"family": f, "order": r} for f in ("tab", "rhoab", "ipndm") for r in range(4)),
    *({"family": "rhork", "scheme": s}
      for s in ("euler", "heun", "midpoint", "kutta3", "rk4")),
    {"family": "euler"},
    {"family": "score_ei"},
]  # fmt: skip
GRIDS = [("t", 1.0), ("t", 2.0), ("t", 3.0), ("log", 1.0), ("rho", 7.0)]


def deis(family: str, order: int = 3, **changes):
    return make("deis", **{"family": family, "order": order, **TABLE, **changes})


def weights(plan) -> dict[str, float]:
    """Of the last sum of a plan."""
    return dict(plan.steps[-1].terms)


@pytest.mark.parametrize("family", ["tab", "rhoab", "ipndm"])
@pytest.mark.parametrize("end", ["table", "clean"])
@pytest.mark.parametrize("kind", GRIDS)
def test_order_0_is_ddim(family: str, end: str, kind: tuple[str, float]):
    own = {"end": end, "clip": False, "grid": kind[0], "power": kind[1]}
    ours = sample(deis(family, 0, **own).plan(LINEAR, 7))
    theirs = sample(make("ddim", **own).plan(LINEAR, 7))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("schedule", [LINEAR, COSINE])
def test_weights_match_a_finer_quadrature_and_sum_to_ddims(schedule):
    begin = time.perf_counter()
    for kind, power in GRIDS:
        params = deis("tab", grid=kind, power=power).params
        nodes = make_nodes(schedule, 8, params)
        ddim = nodes.alpha[1:] * np.diff(nodes.rho)
        for i in range(8):
            for order in range(min(3, i) + 1):
                ours = time_weights(schedule, nodes, i, order)
                finer = time_weights(schedule, nodes, i, order, points=100_000)
                np.testing.assert_allclose(ours, finer, rtol=0, atol=1e-6)
                for found in (ours, rho_weights(nodes, i, order)):
                    assert found.sum() == pytest.approx(ddim[i], rel=1e-9, abs=1e-12)
    begin = time.perf_counter()
    deis("tab").plan(schedule, 20)
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("family", ["tab", "rhoab"])
def test_one_step_is_exact_for_polynomials(family: str, order: int):
    """Where eps is one in t or in rho, of a degree up to the order; not beyond."""
    nodes = make_nodes(LINEAR, 6, deis("tab").params)
    i = 4
    edges = np.linspace(nodes.time[i], nodes.time[i + 1], 200_001)
    middles = (edges[1:] + edges[:-1]) / 2
    rho = LINEAR.rho(edges)
    for degree in range(order + 2):
        if family == "tab":
            scale = nodes.time[i - order]
            past = (nodes.time[i - order : i + 1][::-1] / scale) ** degree
            true = nodes.alpha[i + 1] * ((middles / scale) ** degree @ np.diff(rho))
            found = time_weights(LINEAR, nodes, i, order) @ past
        else:
            past = nodes.rho[i - order : i + 1][::-1] ** degree
            ends = rho[-1] ** (degree + 1) - rho[0] ** (degree + 1)
            true = nodes.alpha[i + 1] * ends / (degree + 1)
            found = rho_weights(nodes, i, order) @ past
        exact = abs(found - true) < 1e-7 * abs(true)
        assert exact == (degree <= order), (degree, found, true)


def test_warm_up_has_the_orders_below():
    for family in ("tab", "rhoab", "ipndm"):
        plan = deis(family, 3).plan(LINEAR, 6)
        sums = [step for step in plan.steps if hasattr(step, "terms")]
        assert [len(one.terms) - 1 for one in sums] == [1, 2, 3, 4, 4, 4]
        clean = deis(family, 3, end="clean").plan(LINEAR, 6)
        assert len(clean.steps[-1].terms) == 2
    for q, row in enumerate(BASHFORTH):
        assert len(row) == q + 1
        assert sum(row) == pytest.approx(1, abs=1e-15)
    # exact for polynomials of degree q at nodes 0, -1, ..., over [0, 1]
    for q, row in enumerate(BASHFORTH):
        for degree in range(q + 1):
            got = sum(w * (-j) ** degree for j, w in enumerate(row))
            assert got == pytest.approx(1 / (degree + 1), abs=1e-12)


def test_ipndm_and_the_controls_by_hand():
    nodes = make_nodes(LINEAR, 5, deis("tab", power=1.0).params)
    a, s = nodes.alpha, nodes.sigma
    own = {"power": 1.0}
    found = weights(deis("ipndm", **own).plan(LINEAR, 5))
    kept = a[5] / a[4]
    unit = s[5] - kept * s[4]
    wanted = {"x4": kept, "e4": 55 / 24 * unit, "e3": -59 / 24 * unit,
              "e2": 37 / 24 * unit, "e1": -9 / 24 * unit}  # fmt: skip
    assert found == pytest.approx(wanted, rel=1e-12)
    found = weights(deis("score_ei", **own).plan(LINEAR, 5))
    assert found == pytest.approx({"x4": kept, "e4": (1 - kept) / s[4]}, rel=1e-12)
    # of this schedule d ln abar / dt is ln(1 - beta) up to half a step
    beta = np.linspace(1e-4, 0.02, 1000)[int(nodes.time[4])]
    span = nodes.time[5] - nodes.time[4]
    found = weights(deis("euler", **own).plan(LINEAR, 5))
    wanted = {"x4": 1 - span * beta / 2, "e4": span * beta / 2 / s[4]}
    assert found == pytest.approx(wanted, rel=2e-2)


def test_runge_kutta_is_the_scheme_on_v_over_rho():
    """Kutta's third order, one step by hand."""
    plan = deis("rhork", scheme="kutta3").plan(LINEAR, 3)
    top = LINEAR.start(1e-4)
    a = np.sqrt(LINEAR.table[top])
    begin, end = LINEAR.rho(top), LINEAR.rho(0.0)
    span = end - begin

    def eps(v: torch.Tensor, rho: float) -> torch.Tensor:
        return smooth(v / np.sqrt(1 + rho**2), float(LINEAR.time(rho)))

    v = noise(1)[0] / a
    k1 = eps(v, begin)
    k2 = eps(v + span * k1 / 2, begin + span / 2)
    k3 = eps(v + span * (2 * k2 - k1), end)
    wanted = (v + span * (k1 + 4 * k2 + k3) / 6) * np.sqrt(LINEAR.table[0])
    torch.testing.assert_close(sample(plan), wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("own", EVERY, ids=lambda own: "-".join(map(str, own.values())))
@pytest.mark.parametrize("rows", [1, 5])
def test_onnx_equals_torch_for_every_plan(own: dict, rows: int):
    plan = make("deis", **TABLE, **own).plan(LINEAR, 12)
    assert plan.calls == 12
    got, wanted = in_onnx(plan, noise(1, rows))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("key", "value"),
    [("order", 4), ("order", -1), ("family", "ab"), ("scheme", "rk5"), ("grid", "x")],
)
def test_what_it_is_not_is_refused(key: str, value: object):
    with pytest.raises(RefusedError, match=f"export.deis.{key}: found"):
        make("deis", **{key: value})


def test_runge_kutta_refuses_calls_its_stages_do_not_make():
    for scheme, end, calls in (
        ("heun", "table", 5), ("kutta3", "table", 4), ("rk4", "clean", 8),
        ("heun", "clean", 4), ("kutta3", "clean", 0),
    ):  # fmt: skip
        with pytest.raises(RefusedError, match=r"a multiple of \d, the stages"):
            deis("rhork", scheme=scheme, end=end).plan(LINEAR, calls)
    plan = deis("rhork", scheme="heun", end="clean").plan(LINEAR, 5)
    assert plan.calls == 5
