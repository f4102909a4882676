"""Statistics: against scipy, and by simulation."""

from typing import Any

import numpy as np
import pytest
import scipy.stats

from tasks.statistics.intervals import (
    centred,
    draw_counts,
    interval,
    iqm,
    mean,
    percentiles,
    resampled,
    score,
    t_interval,
    welch_interval,
)


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


def test_percentiles_are_the_middle_part() -> None:
    assert percentiles(np.arange(101.0), 0.9) == pytest.approx((5, 95))
    draws = np.random.default_rng(0).normal(size=1000)
    low, high = percentiles(draws, 0.95)
    assert (draws < low).mean() == pytest.approx(0.025)
    assert (draws > high).mean() == pytest.approx(0.025)


def test_centred_lies_around_the_value_whatever_the_draws_lack() -> None:
    draws = np.random.default_rng(0).normal(7, 1, 1000)
    low, high = centred(10.0, draws, 0.95)
    moved = draws - draws.mean() + 10
    assert (low, high) == percentiles(moved, 0.95)
    assert low < 10 < high
    own = centred(draws.mean(), draws, 0.95)  # of a mean it changes nothing
    assert own == pytest.approx(percentiles(draws, 0.95))


def test_resampled_draws_as_many_with_repetition_and_the_same_again() -> None:
    values = np.arange(8.0)
    numbers: list[Any] = []

    def statistic(draw: Any) -> Any:
        numbers.append(draw)
        return values[draw].mean(), values[draw].max()

    draws = resampled(statistic, 8, resamples=300, seed=3)
    assert draws.shape == (300, 2)
    assert all(
        len(draw) == 8 and draw.min() >= 0 and draw.max() < 8 for draw in numbers
    )
    assert np.mean([len(np.unique(draw)) for draw in numbers]) == pytest.approx(
        8 * (1 - (7 / 8) ** 8), abs=0.15
    )
    again = resampled(statistic, 8, resamples=300, seed=3)
    assert np.array_equal(again, draws)
    assert not np.array_equal(resampled(statistic, 8, resamples=300, seed=4), draws)


def test_counts_are_resamples_too() -> None:
    counts = draw_counts(20, 500, 0)
    assert counts.shape == (500, 20)
    assert (counts.sum(axis=1) == 20).all()
    values = np.random.default_rng(1).normal(size=20)
    by_counts = np.std(counts @ values / 20)
    by_numbers = np.std(
        resampled(lambda d: values[d].mean(), 20, resamples=500, seed=2)
    )
    assert by_counts == pytest.approx(by_numbers, rel=0.15)
    assert np.array_equal(draw_counts(20, 500, 0), counts)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 3, 8, 500])
def test_t_interval_is_scipys(n: int, confidence: float) -> None:
    values = np.random.default_rng(n).normal(3, 2, n)
    error = values.std(ddof=1) / np.sqrt(n)
    theirs = scipy.stats.t.interval(confidence, n - 1, values.mean(), error)
    assert t_interval(values, confidence) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 8), (10, 5)])
def test_welch_interval_is_scipys(n: int, m: int) -> None:
    draw = np.random.default_rng(n)
    a, b = draw.normal(3, 1, n), draw.normal(1, 6, m)
    theirs = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert welch_interval(a, b, 0.95) == pytest.approx(tuple(theirs), rel=1e-5)
    assert welch_interval(np.ones(3), np.zeros(2), 0.95) == (1, 1)


def test_one_value_has_no_interval() -> None:
    for values in (np.ones(0), np.ones(1)):
        with pytest.raises(ValueError, match="an interval of"):
            t_interval(values, 0.95)
        with pytest.raises(ValueError, match="an interval of"):
            welch_interval(np.ones(2), values, 0.95)


@pytest.mark.parametrize("seeds", [3, 5, 8, 10])
def test_intervals_over_seeds_cover_what_they_say(seeds: int) -> None:
    """Of 1 000 studies the 95 % interval holds the truth in 93 to 97 %.

    A study draws training seeds that differ more than their episodes do. The interval
    of a difference that is 0 lies above 0 in at most 3.5 % of them.
    """
    draw, covered, above, studies = np.random.default_rng(seeds), 0, 0, 1000
    for _ in range(studies):
        sides = [
            draw.normal(0, 10, (seeds, 1)) + draw.normal(0, 15, (seeds, 20))
            for _ in range(2)
        ]
        figures = [
            score(side, confidence=0.95, resamples=100, resample_seed=0)
            for side in sides
        ]
        covered += figures[0].low < 0 < figures[0].high
        means = [np.array(figure.per_seed) for figure in figures]
        above += welch_interval(means[0], means[1], 0.95)[0] > 0
    assert 0.93 <= covered / studies <= 0.97
    assert above / studies <= 0.035


def test_the_score_is_the_mean_of_the_seeds_middles() -> None:
    table = np.random.default_rng(0).normal(50, 9, (4, 20)) + np.arange(4)[:, None]
    figure = score(table, confidence=0.95, resamples=500, resample_seed=0)
    assert figure.per_seed == tuple(iqm(table))
    assert figure.middle == pytest.approx(iqm(table).mean())
    assert (figure.low, figure.high) == t_interval(iqm(table), 0.95)
    assert figure.of == "seeds"
    single = score(table[:1], confidence=0.95, resamples=500, resample_seed=0)
    assert (single.middle, single.of) == (iqm(table[0]), "file")
    assert single.low < single.middle < single.high
