"""What the rules of test_layout.py look at: files of the project and their imports."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
# from the ground up: a room imports from its own line and from those above it
ORDER = (
    ("artifacts", "nets", "warm"),
    ("statistics", "loggers"),
    ("code",),
    ("worlds",),
    ("generate",),
    ("measure",),
    ("weigh",),
    ("train",),
    ("learn",),
    ("behaviors", "adopt"),
    ("compress",),
    ("export",),
    ("evaluate",),
    ("estimate",),
    ("profile",),
    ("report",),
    ("compare",),
    ("beds",),
    ("claims",),
    ("flows",),
)
HEIGHT = {room: line for line, rooms in enumerate(ORDER) for room in rooms}
CODE = ("tasks", "flows", "offcut")
BY_HAND = ("search", "dvclive", "mlflow", "tensorboard", "notebook")  # extras


def to_be_locked() -> list[str]:
    """Requirements that requirements.lock meets: all but what a user adds by hand."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"].items()
    locked = [texts for name, texts in extras if name not in BY_HAND]
    return [*project["dependencies"], *chain.from_iterable(locked)]


@cache
def tracked() -> list[Path]:
    """Files in git that exist, and new ones it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    return sorted({ROOT / name for name in listed if (ROOT / name).is_file()})


def tracked_in(*folders: str, suffix: str = ".py") -> list[Path]:
    """Files of some top folders with a suffix."""
    return [
        path
        for path in tracked()
        if path.suffix == suffix and path.relative_to(ROOT).parts[0] in folders
    ]


def params_of(group: str) -> list[Path]:
    """The files of a group that stand for a method, which are tracked.

    Worlds of a class that takes any name are a user's, but for the one of its name.
    """
    files = [p for p in tracked_in("params", suffix=".yaml") if p.parent.name == group]
    blocks = {path: yaml.safe_load(path.read_text()) for path in files}
    free = ("tasks.worlds.gym.", "tasks.worlds.logged.")
    return [
        path
        for path, block in blocks.items()
        if not str(block["_target_"]).startswith(free)
        or path.stem == block["_target_"].split(".")[2]
    ]


def name_of(path: Path) -> str:
    """A path as it is written in documents, from the project's root."""
    return path.relative_to(ROOT).as_posix()


def room_of(path: Path) -> str | None:
    """The room a file is in; flows/ counts as one, tasks/__init__.py is in none."""
    top, *rest = path.relative_to(ROOT).parts
    return top if top == "flows" else rest[0] if len(rest) > 1 else None


def private(parts: Sequence[str]) -> bool:
    """Whether a part of a name begins with one underscore."""
    return any(part[0] == "_" and part[:2] != "__" for part in parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names a module imports, ``from a import b`` giving a and a.b."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def needed(path: Path) -> frozenset[Path]:
    """Files of tasks/ and flows/ a module imports by name, but for types.

    ``from a import b`` needs a.b where that is a file, else a. Packages above what is
    named are not counted: Python runs their ``__init__.py``, but the importing file
    asks nothing of it.
    """
    files = set()
    for node in _executed(tree(path)):
        if isinstance(node, ast.Import):
            files |= {_file(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            files |= {
                _file(f"{node.module}.{alias.name}") or _file(node.module)
                for alias in node.names
            }
    return frozenset(file for file in files if file)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, without what stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from _executed(other)
        else:
            yield child
            yield from _executed(child)


def _file(module: str) -> Path | None:
    """The file of a module of this project, None if it is no such module."""
    if module.split(".")[0] not in ("tasks", "flows"):
        return None
    base = ROOT.joinpath(*module.split("."))
    files = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def circles() -> list[list[str]]:
    """Groups of files of tasks/ and flows/ of which each needs all others.

    A file that imports itself, as commands of flows/ do, is no group.
    """
    reached = {path: _reached(path) for path in tracked_in("tasks", "flows")}
    groups = {
        frozenset(other for other in below if path in reached[other])
        for path, below in reached.items()
        if path in below
    }
    return sorted(sorted(map(name_of, group)) for group in groups if len(group) > 1)


def _reached(path: Path) -> set[Path]:
    """Every file a module needs, however far."""
    reached: set[Path] = set()
    todo = list(needed(path))
    while todo:
        file = todo.pop()
        if file not in reached:
            reached.add(file)
            todo += needed(file)
    return reached
