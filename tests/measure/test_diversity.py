"""The figures on sets whose answer is known."""

import time

import numpy as np
import pytest

from tasks.measure.qdc_metrics import complexity, diversity
from tasks.measure.qdc_metrics.embedding import features, principal
from tasks.measure.qdc_metrics.figures import Bootstrap


@pytest.fixture(name="draw")
def generator() -> np.random.Generator:
    return np.random.default_rng(3)


def boot(n: int, resamples: int = 200) -> Bootstrap:
    return Bootstrap(n, resamples, 0.95, 0)


def test_vendi_of_copies_is_one_and_of_orthogonal_points_their_number():
    assert diversity.vendi(np.ones((7, 7)))[0] == pytest.approx(1, abs=1e-9)
    assert diversity.vendi(np.eye(7))[0] == pytest.approx(7)
    two = np.kron(np.eye(2), np.ones((5, 5)))  # two groups of five copies
    assert diversity.vendi(two)[0] == pytest.approx(2)


def test_vendi_is_the_same_of_a_set_twice_over(draw: np.random.Generator):
    points = draw.normal(size=(30, 4))
    once = diversity.vendi(diversity.rbf(points, 2.0))[0]
    twice = diversity.vendi(diversity.rbf(np.tile(points, (2, 1)), 2.0))[0]
    assert once == pytest.approx(twice, rel=1e-9)
    assert 1 < once < 30


def test_vendi_equals_its_definition(draw: np.random.Generator):
    kernel = diversity.rbf(draw.normal(size=(12, 3)), 1.5)
    values = np.linalg.eigvalsh(kernel / 12)
    values = values[values > 1e-12]
    by_hand = np.exp(-(values * np.log(values)).sum())
    assert diversity.vendi(kernel)[0] == pytest.approx(by_hand, rel=1e-9)


def test_influence_is_the_derivative_by_a_weight(draw: np.random.Generator):
    points = draw.normal(size=(15, 3))
    kernel = diversity.rbf(points, 1.5)
    score, influence = diversity.vendi(kernel)
    step = 1e-5
    for i in (0, 7):
        weights = np.full(15, 1 / 15)
        weights += step * (np.eye(15)[i] - weights)
        root = np.sqrt(weights)
        values = np.linalg.eigvalsh(root[:, None] * kernel * root)
        values = values[values > 1e-15]
        moved = -(values * np.log(values)).sum()
        slope = (moved - np.log(score)) / step
        assert slope == pytest.approx(influence[i] - influence.mean(), abs=1e-3)


def test_its_interval_is_as_wide_as_that_of_real_resamples(draw: np.random.Generator):
    points = draw.normal(size=(150, 2)) * draw.choice([0.3, 3], (150, 1))
    kernel, some = diversity.rbf(points, 1.5), boot(150)
    found = diversity.vendi_measure(kernel, some)
    real = []
    for counts in some.counts:
        root = np.sqrt(counts / 150)
        values = np.linalg.eigvalsh(root[:, None] * kernel * root)
        values = values[values > 1e-15]
        real.append(np.exp(-(values * np.log(values)).sum()))
    wide = np.subtract(*np.quantile(real, [0.975, 0.025]))
    assert found.high - found.low == pytest.approx(wide, rel=0.3)
    assert found.low < found.value < found.high


def test_constant_embeddings_have_bandwidth_zero_and_vendi_one(
    draw: np.random.Generator,
):
    points = np.tile(draw.normal(size=(1, 82)) * 50, (20, 1))
    assert diversity.bandwidth(points) == 0
    kernel = diversity.rbf(points, 0.0)
    found = diversity.vendi_measure(kernel, boot(20))
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_a_bandwidth_of_the_union_shows_a_collapse_that_an_own_one_hides(
    draw: np.random.Generator,
):
    wide, narrow = draw.normal(size=(50, 5)), 1e-3 * draw.normal(size=(50, 5))
    union = diversity.bandwidth(np.concatenate([wide, narrow]))
    own = diversity.vendi(diversity.rbf(narrow, diversity.bandwidth(narrow)))[0]
    told = diversity.vendi(diversity.rbf(narrow, union))[0]
    assert own > 4
    assert told == pytest.approx(1, abs=0.01)


def test_distances_of_pairs():
    points = np.array([[1.0, 0], [0, 1], [0, 2]])
    cosine = diversity.cosine(points, boot(3))
    assert cosine.value == pytest.approx((1 + 1 + 0) / 3)
    neighbour = diversity.neighbour(points, boot(3))
    assert neighbour.value == pytest.approx((np.sqrt(2) + 1 + 1) / 3 / np.sqrt(2))
    spread = diversity.spread(points, boot(3))
    by_hand = (np.sqrt(2) + 1 + np.sqrt(5)) / 3 / np.sqrt(2)
    assert spread.value == pytest.approx(by_hand)


def test_cells_coverage_and_entropy():
    low, high = np.array([0.0, 0]), np.array([1.0, 1])
    plane = np.array([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [5, -5]])
    cell = diversity.cells(plane, low, high, 2)
    assert cell.tolist() == [0, 2, 1, 1]
    table = diversity.counts_of(cell, np.arange(4), 4, 4)
    assert diversity.coverage(table, boot(4)).value == 0.75
    p = np.array([0.25, 0.25, 0.5])
    by_hand = -(p * np.log(p)).sum()
    found = diversity.entropy(table, boot(4))
    assert found.value == pytest.approx(by_hand)
    shared = diversity.entropy(table, boot(4), share=True)
    assert shared.value == pytest.approx(by_hand / np.log(4))
    assert found.low <= found.value <= found.high <= np.log(4)


def test_novelty_tells_repeated_episodes(draw: np.random.Generator):
    different = [draw.bytes(2000) for _ in range(12)]
    alike = [different[0]] * 12
    fresh = diversity.novelty(different, boot(12), n=1).value
    stale = diversity.novelty(alike, boot(12), n=1).value
    assert fresh == pytest.approx(1, abs=0.02)
    assert stale == pytest.approx(1 / 12, abs=0.02)
    # after one another is what zlib does with all of them together
    together = diversity.deflated(b"".join(different))
    assert sum(map(diversity.deflated, different)) == pytest.approx(together, rel=0.02)


def test_the_bootstrap_covers_a_mean_and_a_best_tenth(draw: np.random.Generator):
    inside = 0
    for k in range(100):
        values = np.random.default_rng(k).exponential(size=60)
        found = Bootstrap(60, 200, 0.95, k).mean(values, "x")
        inside += found.low <= 1 <= found.high
    assert 84 <= inside <= 99
    some = boot(50)
    values = draw.normal(size=50)
    found = some.best(values, 0.1, "x")
    assert found.value == pytest.approx(np.sort(values)[-5:].mean())
    drawn = [np.repeat(values, counts.astype(int)) for counts in some.counts]
    best = np.array([np.sort(one)[-5:].mean() for one in drawn])
    ends = np.quantile(best - best.mean() + found.value, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(ends))


def test_an_embedded_episode(draw: np.random.Generator):
    seen, acted = draw.normal(size=(6, 3)), draw.uniform(-1, 1, (5, 2))
    found = features(seen, acted)
    by_hand = [
        *seen.mean(0), *seen.std(0),
        *np.quantile(seen, [0.1, 0.5, 0.9], axis=0).ravel(),
        *acted.mean(0), *acted.std(0),
        *np.quantile(acted, [0.1, 0.5, 0.9], axis=0).ravel(),
        *seen[-1], np.log(5),
    ]  # fmt: skip
    np.testing.assert_allclose(found, by_hand, atol=1e-12)
    assert len(found) == 5 * (3 + 2) + 3 + 1


def test_principal_axes_keep_distances_and_scale(draw: np.random.Generator):
    points = draw.normal(size=(40, 3)) * [3, 2, 1] + 7
    turned = principal(points, 3, scaled=False)(points)
    np.testing.assert_allclose(
        diversity.distances(turned), diversity.distances(points), atol=1e-6
    )
    flat = principal(points, 2, scaled=True)(points)
    np.testing.assert_allclose(flat.std(0), 1, atol=1e-6)


def test_horizon_and_switching():
    assert complexity.horizon(np.ones(10)) == 9
    assert complexity.horizon(-np.ones(10)) == 9
    assert complexity.horizon(np.array([0, 0, 5.0, 0])) == 3
    assert complexity.horizon(np.zeros(4)) == 4
    zigzag = np.array([[1.0], [-1], [0], [1], [1]])  # the zero stays negative
    assert complexity.switching(zigzag) == pytest.approx(100 * 2 / 4)
    assert complexity.switching(np.ones((1, 2))) == 0
    assert complexity.choices(np.array([0, 0, 1, 2])) == pytest.approx(100 * 2 / 3)


def test_effective_dimension(draw: np.random.Generator):
    states = draw.normal(size=(4000, 4))
    states[:, 2:] = states[:, :2]  # four sensors of two things
    parts = np.split(states, 8)
    found = complexity.dimension(
        np.stack([p.sum(0) for p in parts]),
        np.stack([p.T @ p for p in parts]),
        np.full(8, 500.0),
        boot(8),
    )
    assert found.value == pytest.approx(2, abs=0.05)


def test_an_action_that_never_changes_is_no_help_by_definition():
    assert complexity.ratios(np.zeros(1), np.zeros(1)).tolist() == [1]
    assert complexity.ratios(np.array([0.1]), np.array([1.0]))[0] < 0.11


def test_a_thousand_points_take_seconds(draw: np.random.Generator):
    points = draw.normal(size=(1000, 32))
    start = time.process_time()
    diversity.vendi_measure(diversity.rbf(points, 8.0), boot(1000))
    assert time.process_time() - start < 8
