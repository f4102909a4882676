"""Where policies are judged: the world of a dataset, or the real one of its twin."""

from pathlib import Path

from tasks.worlds import World
from tasks.worlds.engine.recorded import recorded_world


def world_of(dataset: str) -> World:
    """Build the world a dataset was recorded in; of a simulated twin the real one.

    Args:
        dataset: A name under ``data/datasets``, without version.

    Raises:
        RefusedError: If the dataset is not there, or its world is none of this project.
    """
    return recorded_world(Path("data/datasets") / f"{dataset}-v0").real
