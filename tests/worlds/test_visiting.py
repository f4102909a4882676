import numpy as np
import pytest

from tasks.worlds import World
from tasks.worlds.engine.visiting import HIGHEST, LOWEST, Sight, Visited, visited
from tests.worlds.harness import load


@pytest.fixture(scope="module")
def pendulum() -> World:
    return load("pendulum")


def push(sight: Sight):
    """A policy: torque against the speed."""
    return np.clip(-sight.observation[:, 2:], -2, 2)


def visit(world, **changed) -> Visited:
    arguments = {"seeds": (0, 1, 2), "purpose": "test", "envs": 2, "steps": 5}
    return visited(world, push, **(arguments | changed))


def test_states_follow_each_other_as_in_the_world(pendulum: World):
    states = visit(pendulum).observation
    assert (states.shape, states.dtype) == ((5, 6, 3), np.float32)
    batch = pendulum.make(6)
    batch.reset(seed=0)
    angle = np.arctan2(states[0, :, 1], states[0, :, 0])
    batch.reset_to({"qpos": angle[:, None], "qvel": states[0, :, 2:]})
    action = np.clip(-states[0, :, 2:], -2, 2)
    after = batch.step(action)[0]
    np.testing.assert_allclose(states[1], after, atol=1e-5)


def test_an_ended_episode_is_followed_by_another(pendulum: World):
    found = visit(pendulum, steps=210)
    assert np.argwhere(found.began.all(1)).ravel().tolist() == [0, 200]
    assert found.began.sum() == 12
    speeds = found.observation[[0, 200], :, 2]
    assert (np.abs(speeds) <= 1).all()  # a start's speed lies in [-1, 1]
    assert len(np.unique(speeds)) == 12


def test_a_seed_alone_starts_where_it_starts_beside_others(pendulum: World):
    states, alone = visit(pendulum), visit(pendulum, seeds=(1,))
    np.testing.assert_array_equal(states.observation[:, 2:4], alone.observation)


def test_another_purpose_has_other_episodes(pendulum: World):
    first, other = visit(pendulum), visit(pendulum, purpose="other")
    assert not np.isin(first.observation, other.observation).any()


def test_start_seeds_lie_apart_from_those_of_other_uses(
    pendulum: World, monkeypatch: pytest.MonkeyPatch
):
    starts = []
    batch = pendulum.make(6)
    reset_one = type(batch)._reset_one

    def watch(self, i, seed):
        starts.append(seed)
        reset_one(self, i, seed)

    monkeypatch.setattr(type(batch), "_reset_one", watch)
    visit(pendulum, steps=201)
    assert len(starts) == len(set(starts)) == 12
    assert LOWEST <= min(starts) <= max(starts) < HIGHEST
    assert (LOWEST, HIGHEST) == (2**29, 2**30)  # above evaluation's, below datasets'


def test_masks_are_kept():
    world = load("taxi")

    def first_legal(sight: Sight):
        return sight.legal.argmax(1)

    found = visited(world, first_legal, (0,), "test", 3, 4)
    assert found.legal is not None
    assert found.legal.shape == (4, 3, 6)
    assert set(np.unique(found.legal)) == {0.0, 1.0}


def test_a_reward_is_that_of_the_step_before(pendulum: World):
    sights = []

    def watch(sight: Sight):
        sights.append(sight)
        return push(sight)

    visited(pendulum, watch, (0,), "test", 2, 202)
    assert [not s.reward.any() for s in sights] == [s.began.all() for s in sights]
    batch = pendulum.make(2)
    batch.reset(seed=0)
    first = sights[0].observation
    angle = np.arctan2(first[:, 1], first[:, 0])
    batch.reset_to({"qpos": angle[:, None], "qvel": first[:, 2:]})
    reward = batch.step(push(sights[0]))[1]
    np.testing.assert_allclose(sights[1].reward[:, 0], reward, rtol=1e-4)
