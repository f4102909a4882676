"""Datasets side by side: z-scores, letters, Pareto front, rank correlations."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tasks.artifacts.errors import RefusedError
from tasks.statistics.composition import (
    Composed,
    compose,
    correlations,
    pareto,
    ranks,
    spearman,
)
from tests.measured_files import figure, some


def test_z_scores_have_the_sign_that_makes_more_more():
    found = compose(some((1, 10, 5), (2, 30, 5), (3, 20, 5)), "here")
    z = np.sqrt(1.5)
    assert [one.z["quality"]["score"] for one in found] == pytest.approx([-z, 0, z])
    assert "dynamics" not in found[0].z["quality"]  # unavailable is left out, not 0
    for one in found:
        assert one.z["diversity"]["vendi"] == pytest.approx(
            one.z["diversity"]["self_bleu"]
        )
    assert [one.letters["complexity"] for one in found] == [0, 0, 0]
    assert [one.letters["diversity"] for one in found] == pytest.approx([-z, z, 0])
    assert [one.front for one in found] == [False, True, True]


def test_a_letter_without_a_figure_is_unavailable():
    found = some((1, 1, 1), (2, 2, 2))
    found["d0"]["complexity"]["ifd"] = figure(None)
    assert [one.letters["complexity"] for one in compose(found, "here")] == [None] * 2


@pytest.mark.parametrize(
    ("field", "value"),
    [("world", "taxi"), ("episodes", 19), ("steps", 3), ("bandwidth", 9.0),
     ("peers", ["d0"])],
)  # fmt: skip
def test_datasets_that_were_not_measured_together_are_refused(field: str, value: Any):
    found = some((1, 1, 1), (2, 2, 2))
    found["d1"][field] = value
    with pytest.raises(RefusedError, match=field) as caught:
        compose(found, "here")
    assert "study.measured" in caught.value.mend


def test_pareto_by_hand():
    pairs = [(0, 3), (1, 2), (0, 2), (3, 0), (3, 0), (None, 9)]
    assert pareto(pairs) == [True, True, False, True, True, False]


def test_ranks_and_spearman_agree_with_scipy():
    draw = np.random.default_rng(1)
    x, y = draw.integers(0, 6, 12).astype(float), draw.normal(size=12)
    y += x
    np.testing.assert_allclose(ranks(x), stats.rankdata(x))
    rho, p = spearman(x, y, 0)
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    few = y[:6]
    exact = [
        abs(stats.spearmanr(x[:6], order).statistic)
        for order in itertools.permutations(few)
    ]
    rho, p = spearman(x[:6], few, 0)
    assert p == pytest.approx(np.mean(np.array(exact) >= abs(rho) - 1e-9), abs=0.02)


def composed(n: int) -> list[Composed]:
    return [
        Composed(f"d{k}", {}, {"quality": k, "diversity": -k, "complexity": None}, True)
        for k in range(n)
    ]


def test_correlations_say_n_and_p_and_when_there_are_not_enough():
    scores = {"ID score": {f"d{k}": 2.0 * k for k in range(8)}, "OOD score": {}}
    found = {(r.letter, r.score): r for r in correlations(composed(8), scores, 0)}
    best = found["quality", "ID score"]
    assert (best.rho, best.n, best.why) == (pytest.approx(1), 8, "")
    assert best.p is not None
    assert best.p < 0.01
    worse = found["diversity", "ID score"]  # a negative finding is shown
    assert worse.rho == pytest.approx(-1)
    assert found["complexity", "ID score"].why == "no ID score"
    assert found["quality", "OOD score"].why == "no OOD score"
    for one in correlations(composed(7), scores, 0)[:2]:
        assert (one.rho, one.p, one.n) == (None, None, 7)
        assert one.why == "not enough datasets, 7 of 8"
