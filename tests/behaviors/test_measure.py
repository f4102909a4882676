"""Measuring checkpoints, and choosing among them."""

import numpy as np
import pytest
import torch

from tasks.behaviors.engine.measure import (
    choose,
    measure,
    random_return,
    rising,
    visited,
)
from tasks.nets.feedforward import Feedforward
from tests.compress.harness import make_policy
from tests.worlds.harness import load

SHARE = (0.3, 0.6)


def scores(*values: float) -> np.ndarray:
    return np.array(values, float)[:, None]


def test_medium_is_the_first_inside_its_share():
    k, kept = choose(scores(10, 20, 40, 50, 100, 45), SHARE, 0)
    assert k == 0
    assert kept == {"expert": 4, "medium": 2}


def test_medium_comes_before_the_expert_where_it_can():
    assert choose(scores(31, 100, 45), SHARE, 0)[1] == {"expert": 1, "medium": 0}
    assert choose(scores(5, 100, 45), SHARE, 0)[1] == {"expert": 1, "medium": 2}


def test_where_none_lies_inside_medium_is_the_nearest():
    assert choose(scores(2, 25, 90, 100), SHARE, 0)[1]["medium"] == 1
    assert choose(scores(2, 21, 61, 100), SHARE, 0)[1]["medium"] == 2


def test_the_ends_of_the_share_belong_to_it():
    assert choose(scores(30, 100), SHARE, 0)[1]["medium"] == 0
    assert choose(scores(1, 60, 100), SHARE, 0)[1]["medium"] == 1


def test_the_seed_with_the_best_checkpoint_is_kept():
    both = np.array([[90.0, 10.0], [40.0, 50.0], [80.0, 120.0]])
    assert choose(both, SHARE, 0) == (1, {"expert": 2, "medium": 1})


@pytest.mark.parametrize(
    ("replay", "numbers"),
    [
        (0, []),
        (1, [0]),
        (2, [0, 6]),
        (3, [0, 3, 6]),
        (4, [0, 2, 4, 6]),
        (50, [*range(7)]),
    ],
)
def test_replay_is_spaced_from_the_first_to_medium(replay: int, numbers: list[int]):
    kept = choose(scores(1, 2, 3, 4, 5, 6, 40, 100), SHARE, replay)[1]
    assert kept.pop("expert") == 7
    assert kept.pop("medium") == 6
    assert kept == {f"replay-{i}": c for i, c in enumerate(numbers)}


def test_replay_rises_evenly_between_random_and_medium():
    above = np.array([-5.0, 0, 1, 26, 90, 70, 22, 49, 55, 100, 120])
    chosen = rising(above, 100, 3)  # levels 25, 50 and 75
    assert above[chosen].tolist() == [26, 49, 70]
    assert rising(above, 100, 0) == []


def test_replay_has_no_checkpoint_twice_and_none_outside():
    assert rising(np.array([-1.0, 0, 60, 100, 200]), 100, 4) == [2]
    assert rising(np.array([-1.0, 0, 100]), 100, 4) == []


def still(seeds: int = 1) -> Feedforward:
    """A gaussian policy that pushes nowhere and hardly deviates."""
    policy = make_policy((4,), "gaussian", tuple(range(seeds)), 3, 1)
    with torch.no_grad():
        for layer in policy.layers:
            layer.weight.zero_()
            layer.bias.zero_()
        policy.layers[-1].bias[..., 1] = -5
        policy.action_scale.fill_(2)
        policy.action_offset.zero_()
    return policy


def test_a_policy_is_measured_with_sampled_actions():
    world = load("pendulum", max_steps=20)
    quiet, loud = still(), still()
    with torch.no_grad():
        loud.layers[-1].bias[..., 1] = 2
    one, again = (measure(world, quiet, 0, 3) for _ in range(2))
    assert one.returns.tolist() == again.returns.tolist()
    assert one.lengths.tolist() == [20, 20, 20]
    assert len(set(one.returns)) == 3
    assert np.abs(measure(world, loud, 0, 3).returns - one.returns).min() > 1e-3


def test_the_slice_that_was_asked_for_is_measured():
    world = load("pendulum", max_steps=20)
    pair = still(2)
    with torch.no_grad():
        pair.layers[-1].bias[1, :, 0] = 9
    still_one = measure(world, still(), 0, 2).returns
    np.testing.assert_allclose(measure(world, pair, 0, 2).returns, still_one, rtol=1e-5)
    assert np.abs(measure(world, pair, 1, 2).returns - still_one).min() > 1


def test_the_random_policy_is_the_same_each_time():
    world = load("hopper")
    one, again = random_return(world, 3), random_return(world, 3)
    assert one.returns.tolist() == again.returns.tolist()
    assert len(set(one.returns)) == 3
    assert one.terminated.all()


def test_visited_observations_are_real_ones():
    world = load("pendulum")
    rows = visited(world, still(), 0, 1000)
    assert (rows.shape, rows.dtype) == ((1000, 3), np.float32)
    np.testing.assert_allclose(rows[:, 0] ** 2 + rows[:, 1] ** 2, 1, atol=1e-5)
    assert len(np.unique(rows, axis=0)) == 1000
