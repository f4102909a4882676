"""Statistics: against scipy, and by simulation."""

from typing import Any

import numpy as np
import pytest
import scipy.stats

from tasks.statistics.intervals import interval, iqm, mean


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 100])
def test_iqm_is_scipys_trimmed_mean(n: Any) -> None:
    values = np.random.default_rng(n).normal(size=(5, n))
    assert np.allclose(iqm(values), scipy.stats.trim_mean(values, 0.25, axis=-1))


def test_iqm_ignores_outliers() -> None:
    assert iqm(np.array([1e9, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -1e9])) == 3.5


@pytest.mark.parametrize("statistic", [iqm, mean])
def test_one_seeds_interval_is_scipys(statistic: Any) -> None:
    values = np.random.default_rng(0).exponential(size=40)
    ours = interval(
        values[None],
        statistic,
        np.random.default_rng(1),
        resamples=20_000,
        confidence=0.9,
        seeds=False,
    )
    theirs = scipy.stats.bootstrap(
        (values,),
        lambda x, axis: statistic(np.moveaxis(x, axis, -1)),
        n_resamples=20_000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(2),
        vectorized=True,
    ).confidence_interval
    assert np.allclose(ours, tuple(theirs), atol=0.02)  # two draws of 20 000


def test_same_generator_same_interval_whatever_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = np.random.default_rng(0).normal(size=(3, 20))

    def found(seed: Any, seeds: Any = False) -> Any:
        return interval(
            table,
            mean,
            np.random.default_rng(seed),
            resamples=500,
            confidence=0.95,
            seeds=seeds,
        )

    whole = found(1)
    assert found(1) == whole
    assert found(2) != whole
    monkeypatch.setattr("tasks.statistics.intervals.BLOCK", 700)
    assert found(1) == whole


def test_seeds_widen_the_interval_where_seeds_differ() -> None:
    table = np.random.default_rng(0).normal(size=(5, 50))
    table += np.arange(5)[:, None] * 10
    width = {}
    for seeds in (False, True):
        low, high = interval(
            table,
            mean,
            np.random.default_rng(0),
            resamples=500,
            confidence=0.95,
            seeds=seeds,
        )
        assert low < table.mean() < high
        width[seeds] = high - low
    assert width[True] > 5 * width[False]


@pytest.mark.parametrize(("seeds", "spread"), [(False, 0.0), (True, 1.0)])
def test_coverage(seeds: Any, spread: Any) -> None:
    """The interval holds the truth about as often as it says: 90 % of 200 tables."""
    draw, hits = np.random.default_rng(0), 0
    for _ in range(200):
        table = draw.normal(size=(12, 30)) + spread * draw.normal(size=(12, 1))
        low, high = interval(
            table, mean, draw, resamples=300, confidence=0.9, seeds=seeds
        )
        hits += low < 0 < high
    assert 0.82 <= hits / 200 <= 0.96
