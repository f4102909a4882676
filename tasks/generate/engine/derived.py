"""A dataset out of another: read it, corrupt a field, write it beside the first.

The classes that the source's world.json, and an attacker's policy.json and critic.json,
name are loaded here though nothing imports them. Those files carry the digest of these
classes' code, so they change with it, and DVC runs this stage again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.dataset import load_episodes, write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_entry
from tasks.artifacts.makers import AttackOn, of_block
from tasks.artifacts.params import build
from tasks.artifacts.progress import Progress
from tasks.artifacts.readings import MASK
from tasks.code import made_by
from tasks.generate import Corruption

POLICIES = Path("data/policies")


def corrupted(folder: Path, where: str, block: Mapping[str, Any]) -> dict[str, Any]:
    """Corrupt a dataset and write the result.

    Args:
        folder: Where it goes, beside its source.
        where: The block's dotted path, for errors.
        block: Of ``corruption`` or ``attack`` in params.yaml.

    Returns:
        The card: of the episodes as they were played, and what was done to them.

    Raises:
        RefusedError: If the source is missing or corrupted already, or the attacker
            learned from other data.
    """
    asked = of_block(block, where)
    corruption: Corruption[Any] = build(block["generate"], f"{where}.generate")
    source = folder.parent / f"{asked.source}-v0"
    played, world_block = load_episodes(source)
    origin = read_entry(source / "card.json", "dvc repro", "sha256", str)
    if any(MASK in episode.infos for episode in played):
        raise RefusedError(
            where,
            "source",
            f"{asked.source}, which is corrupted already",
            "a dataset as it was played",
            "name the source of that one",
        )
    attacker = None
    if isinstance(asked, AttackOn):
        agent = POLICIES / asked.source / asked.attacker
        attacker = corruption.open_attacker(agent, origin)
    world = build(world_block, f"{where}.world")
    with Progress(f"corrupt {folder.name}", 1.0) as progress:
        episodes, figures = corruption.corrupt(
            played, world.action_space, attacker, progress
        )
    about = {"source": asked.source, "source_sha256": origin, **figures}
    share, field = f"{figures['rate']:.0%}", figures["field"]
    method = str(block["generate"]["_target_"]).split(".")[2]  # tasks.generate.<method>
    return write_dataset(
        folder,
        folder.name,
        episodes,
        world,
        world_block,
        f"{asked.source} with {share} of {field} corrupted",
        about={"corruption": about},
        made_by=[
            made_by("worlds", world_block["name"], world_block),
            made_by("generate", method, block["generate"]),
        ],
    )
