"""The bed where the true noise is known: orders of all samplers, and its table."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.beds.cores.mixtures import Mixture, Table
from tasks.nets.guidance import guided
from tasks.nets.sampling import run
from tests.beds.harness import bed
from tests.export.samplers import make

BED = Mixture.drawn()
NOISE = BED.draw(32, 1)
NEAR = 0.3  # a floor from where everything is smooth


def test_its_noise_is_the_gradient_of_the_density():
    """Eps = -s grad log p, by autograd on the mixture's own density."""
    x = BED.draw(5, 3).requires_grad_()
    for time in (0.0, 400.0, 959.5):
        abar = float(BED.schedule.abar(time))
        spread = abar * BED.std**2 + 1 - abar
        apart = x[..., None, :] - abar**0.5 * BED.means
        log = torch.logsumexp(-apart.square().sum(-1) / (2 * spread), -1)
        (slope,) = torch.autograd.grad(log.sum(), x)
        found = BED.noise(x, time, slice(None))
        torch.testing.assert_close(found, -((1 - abar) ** 0.5) * slope)


def test_guidance_leads_to_its_modes():
    plan = bed("deis").sampler("ddim").plan(BED.schedule, 100)
    with torch.no_grad():
        led = run(plan, BED.network(7.5), "noise", [NOISE])[0]
    nearest = (led[:, None] - BED.means).square().sum(-1).argmin(-1)
    assert set(nearest.tolist()) <= {0, 1}
    told, untold = BED.noise(NOISE, 50.0, slice(2)), BED.noise(NOISE, 50.0, slice(None))
    wanted = untold + 7.5 * (told - untold)
    torch.testing.assert_close(BED.network(7.5)(NOISE, 50.0), wanted)


def test_guidance_calls_once_on_a_doubled_batch():
    seen = []

    def network(x: Tensor, time: float) -> Tensor:
        seen.append(x.shape)
        return x + torch.arange(2.0)[:, None].repeat_interleave(3, 0)

    said = guided(network, 4.0)(torch.zeros(1, 3, 2), 0.0)
    assert seen == [(1, 6, 2)]
    torch.testing.assert_close(said, torch.full((1, 3, 2), 1 + 4.0 * (0 - 1)))


@cache
def end(name: str, calls: int, floor: float, **changes: Any) -> Tensor:
    own = {"end": "table", "clip": False, "times": "any", "floor": floor, **changes}
    with torch.no_grad():
        plan = make(name, **own).plan(BED.schedule, calls)
        return run(plan, BED.network(0), "noise", [NOISE])


def tab(order: int) -> dict[str, Any]:
    return {"family": "tab", "order": order, "power": 2.0}


def rhoab(order: int) -> dict[str, Any]:
    return {"family": "rhoab", "order": order, "grid": "rho", "power": 7.0}


def runge(scheme: str) -> dict[str, Any]:
    return {"family": "rhork", "scheme": scheme, "grid": "rho", "power": 2.0}


def control(family: str) -> dict[str, Any]:
    return {"family": family, "power": 1.0}


@pytest.mark.parametrize(
    ("name", "own", "calls", "floor", "order"),
    [
        ("deis", tab(0), 96, NEAR, 1),
        # from the noisy end, where eps hardly changes: warm-up then costs nothing
        ("deis", tab(1), 96, 1e-4, 2),
        ("deis", tab(2), 96, 1e-4, 3),
        ("deis", tab(3), 24, 1e-4, 4),  # beyond, the corners of the table show
        ("deis", rhoab(0), 96, NEAR, 1),
        ("deis", rhoab(1), 96, 1e-4, 2),
        ("deis", rhoab(2), 192, 1e-4, 3),
        ("deis", rhoab(3), 192, 1e-4, 4),
        ("deis", runge("euler"), 96, NEAR, 1),
        ("deis", runge("heun"), 96, NEAR, 2),
        ("deis", runge("midpoint"), 96, NEAR, 2),
        ("deis", runge("kutta3"), 96, NEAR, 3),
        ("deis", runge("rk4"), 96, NEAR, 4),
        ("deis", control("euler"), 96, NEAR, 1),
        ("deis", control("score_ei"), 96, NEAR, 1),
        ("ddim", {"grid": "log"}, 96, NEAR, 1),
        ("dpm_solver", {"grid": "log"}, 96, NEAR, 2),
        ("unipc", {"grid": "log", "order": 1}, 96, NEAR, 2),
        ("unipc", {"grid": "log", "order": 2}, 96, NEAR, 3),
    ],
)
def test_the_error_falls_with_the_order(
    name: str, own: dict[str, Any], calls: int, floor: float, order: int
):
    """Twice the steps divide it by about 2^order (median over samples)."""
    fine = {"family": "rhork", "scheme": "rk4", "grid": "log", "power": 1.0}
    true = end("deis", 4000, floor, **fine)
    errors = [
        (end(name, n, floor, **own) - true).square().mean(-1).median().item() ** 0.5
        for n in (calls, 2 * calls)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.45)


@pytest.mark.slow
def test_a_count_of_calls_a_sampler_cannot_make_is_left_out():
    table = Table(("ddim", "rho_heun"), (0.0,), (5, 6), std=0.3)
    rows = bed("deis", samples=8, fine=1).cells(table, 0, lambda _: None)
    cells = [(row["sampler"], row["nfe"]) for row in rows]
    assert cells == [("ddim", 5), ("ddim", 6), ("rho_heun", 6)]
