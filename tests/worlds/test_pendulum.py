"""Pendulum on the shared harness."""

from tests.worlds.harness import WorldTests


class TestPendulum(WorldTests):
    name = "pendulum"
