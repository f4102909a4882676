"""Taxi on the shared harness, and its mask."""

import gymnasium
import numpy as np
import pytest

from tasks.artifacts.actions import check_legal, pick_legal
from tasks.artifacts.errors import RefusedError
from tasks.worlds import require
from tests.worlds.harness import WorldTests, load


class TestTaxi(WorldTests):
    name = "taxi"
    capabilities = ("reset_to",)

    def test_set_params_changes_physics_and_returns(self):
        """It has no such capability, and says so."""
        batch = load(self.name).make(1)
        with pytest.raises(
            RefusedError, match=r"no set_params, expected .* cartpole, .* hopper"
        ):
            require(batch, "set_params")


def test_every_step_and_mask_is_gymnasiums():
    """All 500 states and 6 actions, with reward, end and the mask of both states."""
    world = load("taxi")
    batch = world.make(500 * 6)
    places = np.repeat(np.arange(500), 6)
    actions = np.tile(np.arange(6), 500)
    before = batch.reset_to({"place": places}).copy()
    masks = batch.state()["legal"]
    seen, rewards, terminated, _, infos = batch.step(actions)
    env = gymnasium.make(world.env_spec())
    env.reset(seed=0)
    for i, (place, action) in enumerate(zip(places, actions, strict=True)):
        env.unwrapped.s = int(place)
        assert np.array_equal(env.unwrapped.action_mask(place), masks[i])
        after, reward, ended, _, about = env.step(int(action))
        assert after.tobytes() == seen[i].tobytes()
        assert (reward, ended) == (rewards[i], terminated[i])
        assert np.array_equal(about["action_mask"], infos["legal"][i])
        if not ended:  # else no further step is defined
            continue
        env.reset(seed=0)
    reached = before[:, 10:14] * before[:, 15:]
    waiting = reached.sum(1) == 0  # the others are met after the end alone
    ended = world.termination_fn(before, actions, seen)
    assert np.array_equal(ended[waiting], terminated[waiting])
    assert terminated.sum() == 4


def test_one_hot_says_row_column_passenger_and_destination():
    world = load("taxi")
    seen = world.make(1)
    row, column, passenger, destination = 3, 1, 4, 2
    place = ((row * 5 + column) * 5 + passenger) * 4 + destination
    ones = np.flatnonzero(seen.reset_to({"place": np.array([place])})[0])
    assert ones.tolist() == [3, 5 + 1, 10 + 4, 15 + 2]


def test_random_legal_actions_are_even():
    legal = np.tile(np.array([0, 1, 0, 1, 1.0]), (3000, 1))
    picked = pick_legal(np.random.default_rng(0).random(3000), legal)
    counts = np.bincount(picked, minlength=5)
    assert (counts[[0, 2]] == 0).all()
    assert (np.abs(counts[[1, 3, 4]] - 1000) < 100).all()
    ends = np.array([0.0, np.nextafter(1, 0)])
    assert pick_legal(ends, legal[:2]).tolist() == [1, 4]


def test_a_mask_that_forbids_everything_is_refused():
    world = load("taxi")
    world.legal = world.legal.copy()
    world.legal[7] = 0
    batch = world.make(2)
    batch.reset(seed=[1, 2])
    batch.place[1] = 7
    with pytest.raises(RefusedError, match="row 1.*forbids every action"):
        batch.step(np.array([0, 4]))  # picking up where nobody waits moves nothing
    with pytest.raises(RefusedError, match="legal, row 0"):
        check_legal(np.zeros((1, 3)), "somewhere", "legal")
