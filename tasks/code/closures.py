"""Closures: the files that a method is made of, found by following imports.

"Has the code changed?" is asked in many places: by DVC before each stage, by
checkpoints, by kept results, by the contract of an ONNX file. They all ask here, and
nobody lists files by hand.

A method's closure is its own file, or all files of its folder, the command that runs
it, and every file under ``tasks/`` and ``offcut/`` that these import, however far.
Imports for types alone (``if TYPE_CHECKING:``) do not count. What lies beside a Python
file and is none, such as a template or a style sheet, belongs to it.

Classes that data names are not imported by the stage that loads them. The artifact
that names such a class carries the digest of the closure the class is from (see
:func:`digest`), so that it changes, and all that reads it runs again, when the class
does.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tasks.artifacts.files import canonical, whole_folder, write_text
from tasks.artifacts.names import NameRule
from tasks.artifacts.strict_yaml import read_yaml

PROJECT = Path(__file__).parents[2]
# rooms that have methods, in the order their stages run
ROOMS = (
    *("worlds", "generate", "measure", "weigh", "train", "learn", "adopt"),
    *(
        "compress",
        "export",
        "evaluate",
        "estimate",
        "profile",
        "report",
        "beds",
        "claims",
    ),
)
SHARED = ("cores", "engine")  # folders of a room that hold no method
TOPS = ("tasks", "offcut")  # whose files methods are made of
Closure = dict[str, str]  # path from the project's root: SHA-256 of the file


def closure(
    *starts: Path, project: Path = PROJECT, hashes: dict[Path, str] | None = None
) -> Closure:
    """The files some files are made of, by path, sorted.

    Args:
        starts: Python files or folders of the project; of a folder all its files.
        project: The folder that holds ``tasks/``; by default the running code's.
        hashes: Of files that need not be read again; gets those of what is read.

    Returns:
        The starts and everything of the project that they import.
    """
    hashes = {} if hashes is None else hashes
    todo = [file for start in starts for file in _python_files(start, project)]
    reached: set[Path] = set()
    while todo:
        file = todo.pop()
        if file not in reached:
            reached.add(file)
            todo += _imports(file, _hash(file, hashes), project)
    beside = {file for folder in {f.parent for f in reached} for file in _data(folder)}
    return {
        file.relative_to(project).as_posix(): _hash(file, hashes)
        for file in sorted(reached | beside)
    }


def of_method(
    room: str,
    name: str,
    project: Path = PROJECT,
    hashes: dict[Path, str] | None = None,
) -> Closure:
    """The closure of a method: its file or folder, and the command that runs it.

    A method's folder may hold a ``__main__.py``; otherwise its room's command runs it.

    Args:
        room: A folder of ``tasks/``.
        name: A name of :func:`methods`, or of a world in the project's parameters.
        project: As of :func:`closure`.
        hashes: Likewise.

    Raises:
        KeyError: If the room has no such method.
    """
    if room == "worlds" and name not in methods(room, project):
        name = _study_worlds(project).get(name, name)
    if name not in methods(room, project):
        raise KeyError(f"tasks/{room}/{name}")
    folder = project / "tasks" / room
    own = folder / name if (folder / name).is_dir() else folder / f"{name}.py"
    command = own / "__main__.py"
    if not command.exists():
        command = folder / "__main__.py"
    starts = [own, command] if command.exists() else [own]
    return closure(*starts, project=project, hashes=hashes)


def methods(room: str, project: Path = PROJECT) -> list[str]:
    """Names of a room's methods: what lies directly in it, files and folders alike."""
    folder = project / "tasks" / room
    files = {path.stem for path in folder.glob("*.py") if path.name[0] != "_"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    return sorted((files | folders) - set(SHARED))


def texts(project: Path = PROJECT) -> dict[str, str]:
    """Every method's closure as JSON, by file name, ``<room>/<method>.json``.

    So is that of each world in the project's parameters that has a name of its own.
    """
    hashes: dict[Path, str] = {}  # most files are in many closures
    parts = [(room, name) for room in ROOMS for name in methods(room, project)]
    parts += [("worlds", name) for name in _study_worlds(project)]
    return {
        f"{room}/{name}.json": canonical(of_method(room, name, project, hashes))
        for room, name in parts
    }


def write(folder: Path, project: Path = PROJECT) -> None:
    """Write what :func:`texts` says below a folder, all at once, if it differs.

    Raises:
        RefusedError: If something of the user's stands in the folder's place.
    """
    current = texts(project)
    files = [path for path in folder.rglob("*") if path.is_file()]
    there = {file.relative_to(folder).as_posix(): file.read_text() for file in files}
    if there == current:
        return
    with whole_folder(folder) as fresh:
        for name, text in current.items():
            (fresh / name).parent.mkdir(exist_ok=True)
            write_text(fresh / name, text)


def world_method(block: Mapping[str, Any]) -> str:
    """The method of a world's block, which may have a name of its own."""
    return str(block["_target_"]).split(".")[2]  # tasks.worlds.<method>.<World>


def named_worlds(params: object, project: Path = PROJECT) -> dict[str, str]:
    """The method of each world of a study that has a name of its own.

    Args:
        params: The composed parameters; what is none of a world's blocks is passed by.
        project: As of :func:`closure`.
    """
    known = methods("worlds", project)
    groups = params.values() if isinstance(params, Mapping) else ()
    entries = [
        b for group in groups if isinstance(group, Mapping) for b in group.values()
    ]
    worlds = [b["world"] for b in entries if isinstance(b, Mapping) and "world" in b]
    targets = {
        str(world.get("name")): str(world.get("_target_")).split(".")
        for world in worlds
        if isinstance(world, Mapping)
    }
    return {
        name: parts[2]
        for name, parts in targets.items()
        if name not in known
        and name in NameRule()
        and len(parts) > 2
        and parts[:2] == ["tasks", "worlds"]
        and parts[2] in known
    }


def _study_worlds(project: Path) -> dict[str, str]:
    """The same of the project's params.yaml, as far as it can be read."""
    try:
        return named_worlds(read_yaml(project / "params.yaml"), project)
    except (OSError, ValueError):
        return {}


def digest(files: Closure) -> str:
    """One SHA-256 for a whole closure, of its paths and their hashes."""
    lines = "".join(f"{path} {sha}\n" for path, sha in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@cache
def _imports(file: Path, sha: str, project: Path) -> frozenset[Path]:
    """Files of the project that a file imports itself, with the packages they are in.

    A file that does not parse imports nothing: it still counts by its bytes. ``sha``
    makes an edited file another question.
    """
    del sha
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:
        return frozenset()
    parts = [name.split(".") for name in _imported_names(tree)]
    bases = {
        "/".join(names[:end])
        for names in parts
        if names[0] in TOPS
        for end in range(1, len(names) + 1)
    }
    files = [
        project / (base + end) for base in bases for end in (".py", "/__init__.py")
    ]
    return frozenset(path for path in files if path.is_file())


def _imported_names(node: ast.AST) -> Iterator[str]:
    """Dotted names; ``from a import b`` gives a and a.b, as b may be a module."""
    inner = [n for n in ast.iter_child_nodes(node) if not isinstance(n, ast.expr)]
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        inner = list(node.orelse)
    for child in inner:
        yield from _imported_names(child)


def _python_files(start: Path, project: Path) -> Iterable[Path]:
    """A file, or all Python files below a folder; with the packages they are in."""
    files = sorted(start.rglob("*.py")) if start.is_dir() else [start]
    packages = [
        parent / "__init__.py"
        for parent in start.parents
        if any(parent.is_relative_to(project / top) for top in TOPS)
    ]
    return [*files, *(file for file in packages if file.exists())]


def _data(folder: Path) -> list[Path]:
    """Files of a folder that are not Python's."""
    return [
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]


def _hash(file: Path, hashes: dict[Path, str]) -> str:
    """The hash of a file, which is read if need be."""
    if file not in hashes:
        hashes[file] = _sha256(file)
    return hashes[file]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def made_by(room: str, name: str, block: Mapping[str, Any]) -> dict[str, str]:
    """What a contract says of a method that had a part in a file.

    Args:
        room: Of the method.
        name: Of the method, a name of :func:`methods`; or of a world whose block names
            the method.
        block: Its block of params.yaml.

    Returns:
        ``method`` (``<room>.<name>``), and the SHA-256 of its parameters and of its
        closure. No revision is in it: a commit must not change bytes.
    """
    if room == "worlds":
        name = world_method(block)
    return {
        "method": f"{room}.{name}",
        "params_sha256": hashlib.sha256(canonical(dict(block)).encode()).hexdigest(),
        "code_sha256": digest(of_method(room, name)),
    }
