"""world.json of a dataset: the world it was recorded in, and the code that made it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.sealed import read_sealed, write_sealed

SCHEMA = 2
FILE = "world.json"


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


def read_world(folder: Path) -> dict[str, Any]:
    """Read world.json, of which ``world`` is the world's block.

    Args:
        folder: Of the dataset.

    Raises:
        RefusedError: If it is missing, not the file that was written, of another
            schema, or speaks of no world.
    """
    path, command = folder / FILE, maker_of(folder)
    content = read_sealed(path, command)
    block, mend = content.get("world"), f"make it again with: {command}"
    if content.get("schema") != SCHEMA:
        found = f"{content.get('schema', 'nothing')!r:.40}"
        raise RefusedError(path, "schema", found, SCHEMA, mend)
    if not isinstance(block, dict):
        raise RefusedError(path, "world", f"{block!r:.40}", "a mapping", mend)
    return content
