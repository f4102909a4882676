"""Whether the code is still what the stage `code` hashed.

Stages depend on `data/code/<room>/<method>.json`. A file under tasks/ that is edited
after these were written, while the graph runs, is seen here.
"""

import fcntl
from collections.abc import Iterable
from pathlib import Path

from tasks.artifacts.params import PARAMS, load
from tasks.artifacts.typed_json import read_typed
from tasks.code import Closure, methods, of_method, write
from tasks.code.blocks import named_worlds

FOLDER = Path("data/code")
GUARD = Path(".offcut/code.lock")


def recorded(paths: Iterable[str]) -> Closure:
    """What the stage `code` wrote of the methods that a stage depends on.

    Args:
        paths: The stage's dependencies; those outside `data/code` do not count.

    Returns:
        All files of these methods with their SHA-256.
    """
    files: Closure = {}
    for file in _files(paths):
        files |= read_typed(file, "dvc repro code", dict[str, str], seal=False)
    return files


def edited(paths: Iterable[str]) -> list[str]:
    """Files of tasks/ that are not as the stage `code` saw them.

    Args:
        paths: As of `recorded`. The project is the current folder.
    """
    paths = list(paths)
    project = Path.cwd()
    now: Closure = {}
    files = _files(paths)
    worlds = _worlds() if files else {}  # the stage `code` itself has none
    for file in files:
        room, name = file.parent.name, file.stem
        name = worlds.get(name, name) if room == "worlds" else name
        if name in methods(room, project):
            now |= of_method(room, name, project)
    return differing(recorded(paths), now)


def differing(one: Closure, other: Closure) -> list[str]:
    """Paths that two closures do not have in common."""
    return sorted({path for path, _ in one.items() ^ other.items()})


def refresh() -> None:
    """Write `data/code` of the current folder anew where it is not of its code.

    Several processes may do so at once.
    """
    GUARD.parent.mkdir(parents=True, exist_ok=True)
    with GUARD.open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        write(FOLDER, Path.cwd(), _worlds())


def _worlds() -> dict[str, str]:
    """The method of each world of params.yaml that has a name of its own."""
    return named_worlds(load()) if PARAMS.exists() else {}


def is_code(path: str) -> bool:
    """Whether a dependency is written by the stage `code`."""
    return Path(path).is_relative_to(FOLDER)


def _files(paths: Iterable[str]) -> list[Path]:
    """The files under `data/code` that dependencies name, or whose folder they name."""
    chosen = [Path(path) for path in paths if is_code(path)]
    return [
        file
        for path in chosen
        for file in (sorted(path.rglob("*.json")) if path.is_dir() else [path])
    ]
