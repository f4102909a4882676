"""The world a dataset was recorded in, which is where its policies are judged."""

from pathlib import Path

from tasks.worlds import World
from tasks.worlds.engine.recorded import recorded_world


def world_of(dataset: str) -> World:
    """Build the world a dataset was recorded in.

    Args:
        dataset: A name under ``data/datasets``, without version.

    Raises:
        RefusedError: If the dataset is not there, or its world is none of this project.
    """
    return recorded_world(Path("data/datasets") / f"{dataset}-v0")
