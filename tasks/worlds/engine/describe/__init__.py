"""Describe an environment as a world: ``python -m tasks.worlds.engine.describe``."""
