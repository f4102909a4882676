"""The waypoint controller reaches every goal."""

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tests.generate.test_rollout import assert_equal, make, quiet
from tests.worlds.harness import load


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_it_reaches_the_goal_and_stays(noise: float):
    world = load("pointmaze_umaze")
    controller = make("controller", noise=noise, episodes=5, steps=None)
    episodes = controller.episodes(world, quiet)
    assert min(e.ret for e in episodes) > 100
    assert all(e.rewards[-1] == 1 for e in episodes)
    assert {e.source for e in episodes} == {"controller"}
    assert np.array_equal(episodes[0].infos["goal"], episodes[0].observations[:, :2])


def test_episodes_do_not_depend_on_how_many_are_in_flight():
    world = load("pointmaze_umaze", max_steps=40)
    runs = [
        make("controller", steps=100, in_flight=n).episodes(world, quiet)
        for n in (1, 3)
    ]
    assert_equal(*runs)


def test_a_world_without_a_maze_is_refused():
    with pytest.raises(RefusedError, match="hopper, which has no maze"):
        make("controller").episodes(load("hopper"), quiet)
