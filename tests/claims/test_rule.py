"""How often the rule errs, simulated with the claims' own designs."""

import numpy as np
import pytest

from tasks.statistics.replicates import mean_of, needed, partial_slope
from tests.claims.simulation import (
    DESIGNS,
    FIGURE,
    Design,
    bimodal,
    picture,
    shown,
    verdict,
)

EACH = pytest.mark.parametrize("name", list(DESIGNS))


@EACH
def test_without_an_effect_hardly_anything_is_shown(name: str):
    assert shown(DESIGNS[name], 0.0) <= 0.035


@EACH
def test_the_planned_effect_is_mostly_shown(name: str):
    design = DESIGNS[name]
    assert needed(design.sd, design.smallest) <= design.n
    assert shown(design, design.smallest) >= 0.75


@EACH
def test_replicates_that_walk_or_fall_are_not_shown_more_often(name: str):
    draws = bimodal(np.random.default_rng(1), (1000, 100))
    assert (draws.mean(), draws.std()) == pytest.approx((0, 1), abs=0.02)
    assert shown(DESIGNS[name], 0.0, bimodal) <= 0.035


def test_the_simulation_judges_as_a_claim_does():
    design = Design(8, 1.0, 1.3)
    draw = np.random.default_rng(0).normal(size=(20_000, 8)) + 1.0
    rule = np.mean([verdict(design, row) == "shown" for row in draw[:500]])
    assert rule == pytest.approx(shown(design, 1.0), abs=0.06)


def test_two_more_are_needed_than_the_normal_quantile_says():
    assert needed(0.0, 1.0) == 2
    assert needed(1.0, 1.4) == 4 + 2
    lean = Design(4, 1.0, 1.4)  # without the two
    assert shown(lean, lean.smallest) < 0.65


def test_the_committed_figure_is_that_of_the_simulation():
    assert FIGURE.read_text("utf-8") == picture()


def test_a_slope_is_found_and_its_interval_covers():
    draw, inside = np.random.default_rng(0), 0
    for _ in range(300):
        cause, other = draw.normal(size=(2, 24))
        cause += 0.5 * other
        outcome = 2 * cause - 3 * other + draw.normal(size=24)
        value, low, high = partial_slope(outcome, cause, other, draws=200, seed=1)
        assert low < value < high
        inside += low < 2 < high
    assert 0.91 <= inside / 300 <= 0.99
    with pytest.raises(ValueError, match="cannot be told apart"):
        partial_slope(outcome, cause, cause, draws=200, seed=1)


def test_an_interval_needs_two_replicates():
    with pytest.raises(ValueError, match="an interval of 1 values"):
        mean_of(np.ones(1))
