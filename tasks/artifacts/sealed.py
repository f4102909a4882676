"""JSON files that state the hash of their own content, so that damage is noticed.

The hash is of the values and not of the text: indenting a file anew does it no harm. It
says nothing of who wrote the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import canonical, json_sha256, read_json, write_json

SEAL = "self_sha256"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with the hash of all the rest of it under :data:`SEAL`.

    Raises:
        ValueError: If it holds NaN or an infinity, which JSON does not have.
    """
    rest = {key: value for key, value in content.items() if key != SEAL}
    return {**rest, SEAL: json_sha256(json.loads(canonical(rest)))}


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object that states its own hash, whole or not at all."""
    write_json(path, sealed(content))


def read_sealed(path: Path, command: str, *, needed: bool = True) -> dict[str, Any]:
    """Read a JSON object that states its own hash.

    Args:
        path: The file.
        command: What makes it, for errors.
        needed: Whether it has to state one; another revision's file may not.

    Returns:
        Its content, the hash among it.

    Raises:
        RefusedError: If the file is missing, is no JSON object, or has another hash
            than it states.
    """
    content: dict[str, Any] = read_json(path, command, dict)
    mend = f"make it again with: {command}"
    if SEAL not in content and not needed:
        return content
    rest = {key: value for key, value in content.items() if key != SEAL}
    computed, stated = json_sha256(rest), content.get(SEAL, "nothing")
    if stated != computed:
        raise RefusedError(path, SEAL, f"{stated!s:.64}", computed, mend)
    return content
