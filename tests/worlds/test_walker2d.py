"""Walker2d on the shared harness."""

from tests.worlds.harness import WorldTests


class TestWalker2d(WorldTests):
    name = "walker2d"
    terminates = True
