"""Verdicts: the table, synthetic episodes, real episodes of a broken policy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.evaluate.returns import play
from tasks.statistics.intervals import welch_interval
from tasks.statistics.rule import VerdictParams
from tasks.statistics.verdict import (
    falls,
    judge,
    judge_scores,
    judge_unrelated,
    margin_of,
    of_compressor,
    paired,
    word,
)
from tests.variant_files import policy, world, write

PARAMS = VerdictParams(margin=0.05, confidence=0.95, resamples=500, resample_seed=0)


def table(returns: Any) -> Any:
    """Episodes with the given returns (S, E)."""
    s, e = np.shape(returns)
    return Episodes(
        np.repeat(np.arange(s), e),
        np.tile(np.arange(e), s),
        np.tile(np.arange(e) + 100, s),
        np.ravel(returns).astype(float),
        np.full(s * e, 10),
        np.zeros(s * e, bool),
    )


def parent(s: Any = 3, e: Any = 40) -> Any:
    return np.random.default_rng(0).normal(1000, 300, (s, e))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 5, "IMPROVED"),
        (0, 0, "HELD"),
        (-1, 30, "HELD"),
        (-0.5, -0.1, "HELD"),
        (-1.1, -0.1, "SUSPECT"),
        (-9, -1, "SUSPECT"),
        (-9, -1.1, "REGRESSED"),
        (-1.1, 0, "UNDERPOWERED"),
        (-9, 9, "UNDERPOWERED"),
    ],
)
def test_word(low: Any, high: Any, expected: Any) -> None:
    assert word(low, high, margin=1.0) == expected


def test_a_against_a_is_held() -> None:
    found = judge(table(parent()), table(parent()), 50, PARAMS)
    assert found.word == "HELD"
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert paired(table(parent()), table(parent())).size == 120


@pytest.mark.parametrize(
    ("shift", "noise", "expected"),
    [
        (40, 20, "IMPROVED"),
        (0, 20, "HELD"),
        (-20, 20, "HELD"),
        (-50, 60, "SUSPECT"),
        (-200, 60, "REGRESSED"),
        (0, 900, "UNDERPOWERED"),
    ],
)
def test_synthetic(shift: Any, noise: Any, expected: Any) -> None:
    drawn = np.random.default_rng(1).normal(size=(3, 40))
    drawn = (drawn - drawn.mean()) / drawn.std()
    found = judge(table(parent() + shift + noise * drawn), table(parent()), 50, PARAMS)
    assert found.word == expected
    assert found.low <= found.difference <= found.high
    assert found.difference == pytest.approx(shift)


def test_pairing_removes_the_spread_of_starts() -> None:
    """Unpaired, a shift of 10 drowns in a standard deviation of 300."""
    found = judge(table(parent() + 10), table(parent()), 50, PARAMS)
    assert found.word == "IMPROVED"
    assert found.high - found.low < 1e-9


def test_one_bad_file_is_not_held() -> None:
    """Two seeds gain, one loses: the mean holds, the bad one is named."""
    change = np.array([[100.0], [100.0], [-200.0]]) + np.zeros((3, 40))
    found = judge(table(parent() + change), table(parent()), 50, PARAMS)
    assert found.difference == pytest.approx(0)
    assert found.word == "SUSPECT"
    assert found.regressed_seeds == (2,)


def test_rare_falls_count() -> None:
    """An interquartile mean would not see one fall in ten."""
    fallen = parent(3, 100)
    fallen[:, ::10] = 0
    found = judge(table(fallen), table(parent(3, 100)), 25, PARAMS)
    assert found.word == "REGRESSED"


def test_other_starts_are_refused() -> None:
    child = table(parent())
    with pytest.raises(RefusedError, match="start_seed"):
        judge(
            replace(child, start_seed=child.start_seed + 1),
            table(parent()),
            50,
            PARAMS,
        )
    with pytest.raises(RefusedError, match="120 rows"):
        judge(child, table(parent(2)), 50, PARAMS)


def test_scores_scale_every_figure_and_change_no_word() -> None:
    world = {"ref_min": 200.0, "ref_max": 3000.0}
    child = table(parent() - 20 + np.random.default_rng(1).normal(0, 20, (3, 40)))
    base = table(parent())
    margin = margin_of(PARAMS.margin, base.returns.mean(), 200.0, 3000.0)
    returns, scores = (
        judge(child, base, margin, PARAMS),
        judge_scores(child, base, world, PARAMS),
    )
    assert (scores.word, scores.regressed_seeds) == (
        returns.word,
        returns.regressed_seeds,
    )
    for name in ("difference", "low", "high", "margin"):
        expected = getattr(returns, name) / 28
        assert getattr(scores, name) == pytest.approx(expected), name


def ending(lengths: Any, returns: Any, terminated: Any) -> Episodes:
    """One seed's episodes with given ends."""
    ended = table([returns])
    return replace(
        ended, length=np.asarray(lengths), terminated=np.asarray(terminated, bool)
    )


def test_a_parent_that_falls_is_brittle() -> None:
    """Where longer episodes return more, an early end is a fall; else it is a goal."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(50, 900, 40)
    early = np.arange(40) < 20
    fallen = ending(lengths, 3.0 * lengths, early)
    assert falls(fallen) == 0.5
    assert falls(ending(lengths, -1.0 * lengths, early)) == 0  # it reaches its goal
    assert falls(ending(lengths, 3.0 * lengths, early & (lengths < 0))) == 0
    rarely = np.arange(40) < 3
    assert falls(ending(lengths, 3.0 * lengths, rarely)) == 0
    assert falls(ending(np.ones(40, int), draw.normal(size=40), early)) == 0

    child = replace(fallen, returns=fallen.returns - 500)
    verdict = judge(child, fallen, 50, PARAMS)
    assert verdict.word == "REGRESSED"
    judged = of_compressor(verdict, child, fallen)
    assert judged == replace(verdict, word="BRITTLE PARENT")
    same = judge(fallen, fallen, 50, PARAMS)
    assert of_compressor(same, fallen, fallen).word == "HELD"


def test_unrelated_files_are_compared_over_seeds() -> None:
    """Seed 0 of one learner is no pair of seed 0 of another, and none has a veto."""
    ours, theirs = parent(5), np.random.default_rng(9).normal(900, 300, (8, 40))
    verdict = judge_unrelated(table(ours), table(theirs), 50, PARAMS)
    means = ours.mean(axis=1), theirs.mean(axis=1)
    assert (verdict.low, verdict.high) == welch_interval(*means, 0.95)
    assert verdict.difference == pytest.approx(ours.mean() - theirs.mean())
    shuffled = judge_unrelated(table(ours[::-1]), table(theirs), 50, PARAMS)
    assert (shuffled.low, shuffled.high) == pytest.approx((verdict.low, verdict.high))
    bad = np.full((5, 40), 1000.0)
    bad[0] = 0
    assert (
        judge_unrelated(table(bad), table(bad * 0.5), 50, PARAMS).regressed_seeds == ()
    )
    with pytest.raises(RefusedError, match="start_seed"):
        judge_unrelated(table(ours[:, :9]), table(theirs), 50, PARAMS)


def test_single_files_are_compared_over_episodes() -> None:
    ours = parent(1)
    verdict = judge_unrelated(table(ours + 10), table(ours), 50, PARAMS)
    assert verdict.word == "IMPROVED"
    assert (verdict.low, verdict.high) == pytest.approx((10, 10))


def test_margin_is_positive_for_any_parent() -> None:
    assert margin_of(0.05, 1000, 0, 3000) == 50
    assert margin_of(0.05, -150, -1200, -150) == pytest.approx(52.5)
    assert margin_of(0.05, -50, 0, 3000) == pytest.approx(15)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("pendulum", np.zeros((1, 3)), np.array([[0, 0, 1.0]])),
        ("hopper", np.zeros((3, 11)), np.full((3, 11), 3.0)),
    ],
)
def test_real_episodes(tmp_path: Path, name: Any, good: Any, bad: Any) -> None:
    """A policy against itself is held; a deliberately broken one regresses."""
    where = world(name)
    tables = {}
    for variant, gains in {"float32": good, "same": good, "broken": bad}.items():
        files = write(tmp_path / variant, policy(where, 1, gains), where, variant)
        batch = where.make(20)
        tables[variant] = play(
            batch, OnnxPolicy.open(files[0]), 0, np.arange(20), lambda *_: None
        )
    base = tables["float32"]
    reference = where.params.ref_min, where.params.ref_max
    margin = margin_of(0.05, base.returns.mean(), *reference)
    held = judge(tables["same"], base, margin, PARAMS)
    assert (held.word, held.difference) == ("HELD", 0)
    assert judge(tables["broken"], base, margin, PARAMS).word == "REGRESSED"
    assert judge(base, tables["broken"], margin, PARAMS).word == "IMPROVED"
