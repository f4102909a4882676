"""Make one dataset: ``python -m tasks.generate --dataset D``.

From a world and behaviours; of the block ``imported`` from a source that others
recorded; of ``corruption`` and ``attack`` from another dataset. Writes
``data/datasets/<D>-v0/``: Minari HDF5, card.json, world.json. Of the block ``arrays``
there is no world: it writes an ``.npy`` file for each named array, and card.json.
"""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.arrays import write_arrays
from tasks.artifacts.dataset import check_id, write_dataset
from tasks.artifacts.makers import ARRAYS, IMPORTED, group_of, known_dataset
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.progress import Progress
from tasks.artifacts.stage import run_stage
from tasks.code import made_by
from tasks.code.blocks import checked
from tasks.generate.engine.derived import corrupted

DATASETS = Path("data/datasets")


def main() -> None:
    """Command of the stages ``generate``, ``import``, ``corrupt`` and ``attack``.

    All chance comes from the params' seed.
    """
    parser = argparse.ArgumentParser(prog="python -m tasks.generate")
    add_name(parser, "--dataset", required=True, help="a name in study.datasets")
    name = parser.parse_args().dataset
    logging.getLogger("gymnasium").setLevel(logging.ERROR)
    params = load()
    known_dataset(params, name, "dataset")
    group = group_of(params, name)
    block = checked(params, group, name)
    folder = DATASETS / f"{name}-v0"
    check_id(folder, folder.name)
    check_place(folder)
    if group == ARRAYS:
        print(named(folder, name, block))
        return
    make = collected if group in ("dataset", IMPORTED) else corrupted
    card = make(folder, f"{group}.{name}", block)
    print(
        f"{folder}: {card['episodes']} episodes, {card['steps']} steps, return "
        f"{card['return']['mean']:.1f} ({card['return']['min']:.1f} to "
        f"{card['return']['max']:.1f}), sha256 {card['sha256'][:12]}"
    )


def named(folder: Path, name: str, block: Mapping[str, Any]) -> str:
    """Make a dataset of named arrays and write it; returns a line on it.

    Args:
        folder: Where the dataset goes.
        name: Of the dataset.
        block: Of ``arrays`` in params.yaml.
    """
    maker = build(block["generate"], f"{ARRAYS}.{name}.generate")
    makers = [made_by("generate", block["method"], block["generate"])]
    card = write_arrays(folder, maker.arrays(), maker.description, makers)
    arrays = ", ".join(
        f"{key} {entry['dtype']} {tuple(entry['shape'])}"
        for key, entry in card["arrays"].items()
    )
    return f"{folder}: {card['rows']} {card['replicate']}s: {arrays}"


def collected(folder: Path, where: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Let a generator play in a world, or read what was recorded; write the episodes.

    Args:
        folder: Where the dataset goes.
        where: The block's dotted path, for errors.
        block: Of ``dataset`` or ``imported`` in params.yaml.

    Returns:
        The card.
    """
    world = build(block["world"], f"{where}.world")
    generator = build(block["generate"], f"{where}.generate")
    with Progress(f"generate {folder.name}", 1.0) as progress:
        episodes = generator.episodes(world, progress)
    card = write_dataset(
        folder,
        folder.name,
        episodes,
        world,
        block["world"],
        about=generator.figures,
        leave=generator.leave,
        made_by=[
            made_by("worlds", block["world"]["name"], block["world"]),
            made_by("generate", block["method"], block["generate"]),
        ],
    )
    if generator.checkpoint:
        generator.checkpoint.remove()
    return card


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
