"""The world a dataset was recorded in, which is where its policies are judged."""

from pathlib import Path

from tasks.artifacts.files import read_entry
from tasks.artifacts.params import build
from tasks.worlds import World


def world_of(dataset: str) -> World:
    """Build the world a dataset was recorded in.

    Args:
        dataset: A name under ``data/datasets``, without version.

    Raises:
        RefusedError: If the dataset is not there.
    """
    path = Path("data/datasets") / f"{dataset}-v0" / "world.json"
    command = f"python -m tasks.generate --dataset {dataset}"
    block = read_entry(path, command, "world", dict)
    world: World = build(block, f"dataset.{dataset}.world")
    return world
