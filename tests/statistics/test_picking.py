"""The curve of picking against brute force: every order and every draw."""

import itertools

import numpy as np
import pytest

from tasks.statistics import picking
from tasks.statistics.picking import exact, trials
from tasks.statistics.picking import picking as curve

RANDOM = np.random.default_rng(3).normal(50, 20, (4, 3))
TIED = np.array([[10.0, 30, 30], [30, 30, 0], [20, 10, 30]])


def by_hand(table: np.ndarray, pulls: int) -> float:
    """Expected worth of the pick over every order of first pulls and every draw.

    Beyond the first pulls the bandit's choices follow from what it drew; where it or
    the pick has equals, all of them count alike.
    """
    policies, episodes = table.shape
    worth = table.mean(1)

    def pick(seen: dict[int, list[float]]) -> float:
        means = {i: np.mean(v) for i, v in seen.items()}
        best = max(means.values())
        return float(np.mean([worth[i] for i, m in means.items() if m == best]))

    def choices(seen: dict[int, list[float]], done: int) -> list[int]:
        fresh = [i for i in range(policies) if i not in seen]
        if fresh:
            return fresh
        bound = {
            i: np.mean(v) / 100 + np.sqrt(2 * np.log(done) / len(v))
            for i, v in seen.items()
        }
        return [i for i in bound if bound[i] == max(bound.values())]

    def play(seen: dict[int, list[float]], done: int) -> float:
        if done == pulls:
            return pick(seen)
        arms = choices(seen, done)
        after = [
            play({**seen, arm: [*seen.get(arm, []), table[arm, e]]}, done + 1)
            for arm, e in itertools.product(arms, range(episodes))
        ]
        return float(np.mean(after))

    return play({}, 0)


@pytest.mark.parametrize("table", [RANDOM, TIED])
def test_what_is_computed_is_what_counting_gives(table: np.ndarray):
    pulls = range(1, len(table) + 1)
    expected = [by_hand(table, k) for k in pulls]
    assert exact(table, pulls) == pytest.approx(expected, rel=1e-12)
    assert expected[0] == pytest.approx(table.mean())
    assert expected[-1] > expected[0] + 0.1


def test_trials_are_within_their_error_of_counting():
    table = np.array([[10.0, 90, 40], [50, 55, 60]])
    pulls = [1, 2, 4, 6, 8]
    worth = trials(table, pulls, 0)
    expected = [by_hand(table, k) for k in pulls]
    error = worth.std(0) / np.sqrt(len(worth))
    assert (np.abs(worth.mean(0) - expected) < 3.5 * error).all()
    assert (trials(table, pulls, 0) == worth).all()


def test_the_curve_begins_with_chance_and_ends_with_the_best():
    level = np.array([[[30.0], [40], [60]]])
    scores = np.random.default_rng(0).normal(level, 4, (5, 3, 8))
    drawn = curve(scores, 0.95)
    assert [point.pulls for point in drawn] == list(picking.PULLS)
    chance, best = scores.mean(), scores.mean(2).max(1).mean()
    assert drawn[0].score == pytest.approx(chance)
    assert drawn[-1].score == pytest.approx(best, abs=0.5)
    assert all(p.error == 0 for p in drawn if p.pulls <= 3)
    assert all(p.low < p.score < p.high for p in drawn)  # type: ignore[operator]


def test_one_training_seed_has_no_interval():
    alone = curve(np.random.default_rng(0).normal(50, 4, (1, 2, 8)), 0.95)
    assert {(point.low, point.high) for point in alone} == {(None, None)}
    assert alone[-1].error > 0
