"""HalfCheetah on the shared harness."""

from tests.worlds.harness import WorldTests


class TestHalfCheetah(WorldTests):
    name = "halfcheetah"
