"""world.json of a dataset: the world it was recorded in, and the code that made it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.formats import Number
from tasks.artifacts.sealed import read_sealed, write_sealed
from tasks.artifacts.strict_json import parse_json
from tasks.artifacts.typed_json import check_typed

SCHEMA = 2
FILE = "world.json"
KIND = "arrays"  # what card.json of a dataset without episodes calls it
CLOSEST = 1e-6  # between the references, units of the world


class World(TypedDict):
    """What a world's block says, as far as results are read."""

    _target_: NotRequired[str]
    name: str
    ref_min: Number
    ref_max: Number
    measured: NotRequired[str]
    max_steps: NotRequired[int]


class Recorded(TypedDict):
    """``world.json``; stages that build the world check the rest of its block."""

    world: World


def write_world(
    folder: Path,
    block: Mapping[str, Any],
    step_seconds: float,
    made_by: Sequence[Mapping[str, str]],
) -> None:
    """Write world.json.

    Args:
        folder: Of the dataset.
        block: The world's block of params.yaml.
        step_seconds: Its control step, simulated seconds.
        made_by: The methods that had a part in the dataset, the world first.
    """
    content = {
        "schema": SCHEMA,
        "world": dict(block),
        "step_seconds": step_seconds,
        # who loads the class that "world" names imports none of its code: the digests
        # here change with it, and DVC runs that stage again
        "made_by": [dict(method) for method in made_by],
    }
    write_sealed(folder / FILE, content)


def maker_of(folder: Path) -> str:
    """The command that makes a dataset, by its folder."""
    name = re.sub(r"-v[0-9]+$", "", folder.name)
    return f"python -m tasks.generate --dataset {name}"


def has_arrays(folder: Path) -> bool:
    """Whether a dataset is one of named arrays, as far as its card can be read."""
    try:
        card = parse_json((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("kind") == KIND


def check_episodes(folder: Path) -> None:
    """Refuse a dataset of named arrays where episodes are needed."""
    if has_arrays(folder):
        found, expected = "named arrays", "episodes of a world, which have a return"
        mend = "ask a metric of a predictor, or name a dataset of episodes"
        raise RefusedError(folder / "card.json", "kind", found, expected, mend)


def read_world(folder: Path) -> dict[str, Any]:
    """Read world.json, of which ``world`` is the world's block.

    Args:
        folder: Of the dataset.

    Raises:
        RefusedError: If it is missing, not the file that was written, of another
            schema, or speaks of no world.
    """
    check_episodes(folder)
    path, command = folder / FILE, maker_of(folder)
    content = read_sealed(path, command)
    block, mend = content.get("world"), f"make it again with: {command}"
    if content.get("schema") != SCHEMA:
        found = f"{content.get('schema', 'nothing')!r:.40}"
        raise RefusedError(path, "schema", found, SCHEMA, mend)
    if not isinstance(block, dict):
        raise RefusedError(path, "world", f"{block!r:.40}", "a mapping", mend)
    return content


def scored_world(folder: Path) -> World:
    """The world's block of a dataset whose returns become scores.

    Args:
        folder: Of the dataset.

    Raises:
        RefusedError: As :func:`read_world`, or if there are no references to score by.
    """
    return scored(read_world(folder), folder / FILE, maker_of(folder))


def scored(content: Any, path: Path, command: str) -> World:
    """The world's block of what a world.json holds; refused as by scored_world.

    Args:
        content: Of the file.
        path: The file, for errors.
        command: What makes it, for errors.
    """
    mend = f"make it again with: {command}"
    world = check_typed(content, Recorded, path, mend)["world"]
    low, high = world["ref_min"], world["ref_max"]
    if not high - low > CLOSEST:
        expected = f"more than ref_min, {low}"
        raise RefusedError(path, "world.ref_max", high, expected, mend)
    return world
