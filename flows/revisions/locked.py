"""What the text of a dvc.lock says of a revision; nothing here reads DVC or git."""

from collections.abc import Iterator, Mapping
from typing import Any

from flows.engine.code_guard import is_code

ENVIRONMENT = "environment.json"


def output(locked: Mapping[str, Any], path: str) -> dict[str, Any] | None:
    """What is recorded of an output; None if none of that path is.

    Args:
        locked: The block ``stages``.
        path: Of the output, in the project.
    """
    for block in locked.values():
        for out in block.get("outs", ()):
            if out.get("path") == path and out.get("md5"):
                return dict(out)
    return None


def code_paths(locked: Mapping[str, Any]) -> list[str]:
    """Paths of the code that stages depend on."""
    paths = {path for path, _ in _dependencies(locked)}
    return sorted(path for path in paths if path.startswith("tasks/") or is_code(path))


def environments(locked: Mapping[str, Any]) -> set[str]:
    """MD5 of every environment.json that a stage ran with; one, as a rule."""
    return {md5 for path, md5 in _dependencies(locked) if path == ENVIRONMENT}


def _dependencies(locked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and MD5 of what stages depend on."""
    for block in locked.values():
        for dep in block.get("deps", ()):
            yield dep["path"], str(dep.get("md5"))
