"""A dataset out of another: read it, corrupt a field, write it beside the first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.dataset import load_episodes, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.makers import AttackOn, of_block
from tasks.artifacts.params import build
from tasks.artifacts.progress import Progress
from tasks.artifacts.readings import MASK
from tasks.generate import Corruption

POLICIES = Path("data/policies")


def corrupted(folder: Path, where: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Make and write it.

    Args:
        folder: Where it goes, beside its source.
        where: The block's dotted path.
        block: Of ``corruption`` or ``attack`` in params.yaml.

    Returns:
        The card: of the episodes as they were played, and what was done to them.

    Raises:
        RefusedError: If the source is missing or corrupted already, or the attacker
            learned from other data.
    """
    told = of_block(block, where)
    corruption: Corruption = build(block["generate"], f"{where}.generate")
    source = folder.parent / f"{told.source}-v0"
    played, world_block = load_episodes(source)
    origin = read_json(source / "card.json", "dvc repro")["sha256"]
    if any(MASK in episode.infos for episode in played):
        raise RefusedError(
            where,
            "source",
            f"{told.source}, which is corrupted already",
            "a dataset as it was played",
            "name the source of that one",
        )
    attacker = None
    if isinstance(told, AttackOn):
        from tasks.generate.corrupt.attack import (
            Attacker,  # torch, which the others spare
        )

        attacker = Attacker.open(POLICIES / told.source / told.attacker, origin)
    world = build(world_block, f"{where}.world")
    with Progress(f"corrupt {folder.name}", 1.0) as progress:
        episodes, done = corruption.corrupt(
            played, world.action_space, attacker, progress
        )
    about = {"source": told.source, "source_sha256": origin, **done}
    description = f"{told.source} with {done['rate']:.0%} of {done['field']} corrupted"
    return write_dataset(
        *(folder, folder.name, episodes, world, world_block, description),
        about={"corruption": about},
    )
