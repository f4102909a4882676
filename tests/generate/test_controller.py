"""The waypoint controller reaches every goal."""

import numpy as np
import pytest

from tasks.artifacts.errors import RefusedError
from tasks.generate.controller import shortest_ways
from tests.generate.test_rollout import assert_equal, make, quiet
from tests.worlds.harness import load


def test_shortest_ways_go_around_the_wall():
    free = np.array([[1, 1, 1], [0, 0, 1], [1, 1, 1]], bool)
    way = shortest_ways(free)
    cell, seen = (0, 0), []
    while cell != (2, 0):
        cell = tuple(way[(*cell, 2, 0)])
        seen.append(cell)
    assert seen == [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0)]
    assert tuple(way[1, 2, 1, 2]) == (1, 2)
    free[1, 2] = False
    assert tuple(shortest_ways(free)[0, 0, 2, 0]) == (0, 0)


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
