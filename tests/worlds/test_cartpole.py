"""CartPole on the shared harness."""

from tests.worlds.harness import WorldTests


class TestCartPole(WorldTests):
    name = "cartpole"
    terminates = True
