"""Make one dataset: ``python -m tasks.generate --dataset D``.

Writes ``data/datasets/<D>-v0/``: Minari HDF5, card.json, world.json.
"""

import argparse
import logging
from pathlib import Path

from tasks.artifacts.dataset import check_id, write_dataset
from tasks.artifacts.files import check_writable
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.progress import Progress
from tasks.artifacts.stage import run_stage

DATASETS = Path("data/datasets")


def main() -> None:
    """Command of the stage ``generate``; all chance comes from the params' seed."""
    parser = argparse.ArgumentParser(prog="python -m tasks.generate")
    parser.add_argument("--dataset", required=True, help="a name under dataset:")
    name = parser.parse_args().dataset
    logging.getLogger("gymnasium").setLevel(logging.ERROR)
    block = pick(load(), "dataset", name)
    world = build(block["world"], f"dataset.{name}.world")
    generator = build(block["generate"], f"dataset.{name}.generate")
    folder = DATASETS / f"{name}-v0"
    check_id(folder, folder.name)
    check_writable(folder.parent)
    with Progress(f"generate {name}", 1.0) as progress:
        episodes = generator.episodes(world, progress)
    card = write_dataset(
        folder,
        folder.name,
        episodes,
        world,
        block["world"],
        figures=generator.figures,
        leave=generator.leave,
    )
    if generator.checkpoint:
        generator.checkpoint.remove()
    print(
        f"{folder}: {card['episodes']} episodes, {card['steps']} steps, return "
        f"{card['return']['mean']:.1f} ({card['return']['min']:.1f} to "
        f"{card['return']['max']:.1f}), sha256 {card['sha256'][:12]}"
    )


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
