"""The way through a maze that its controller takes."""

import numpy as np

from tasks.worlds.cores.waypoints import shortest_ways


def test_shortest_ways_go_around_the_wall():
    free = np.array([[1, 1, 1], [0, 0, 1], [1, 1, 1]], bool)
    way = shortest_ways(free)
    cell, reached = (0, 0), []
    while cell != (2, 0):
        cell = tuple(way[(*cell, 2, 0)])
        reached.append(cell)
    assert reached == [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0)]
    assert tuple(way[1, 2, 1, 2]) == (1, 2)
    free[1, 2] = False
    assert tuple(shortest_ways(free)[0, 0, 2, 0]) == (0, 0)
