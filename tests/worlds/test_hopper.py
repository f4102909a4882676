"""Hopper on the shared harness."""

from tests.worlds.harness import WorldTests


class TestHopper(WorldTests):
    name = "hopper"
    terminates = True
