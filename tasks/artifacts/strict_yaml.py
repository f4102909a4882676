"""YAML as plain data: no object of Python's, and no aliases that grow.

Ten lines in which each stands ten times for the line before are ten billion values.
They share their memory when they are read, but whoever goes through them, as DVC, Hydra
and every check do, never ends. So what aliases stand for is counted before anything is
made of it.
"""

from pathlib import Path
from typing import Any

import yaml

# libyaml's is ten times as fast, where it is there
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEPTH = 100  # blocks inside each other; libyaml overruns its stack at some 10,000
ALLOWED = 1000  # values, and two a character: without aliases there is at most one
# what making values of nodes may fail with, beside what YAML itself says
UNMAKEABLE = (ArithmeticError, AttributeError, LookupError, TypeError)


def parse_yaml(text: str) -> Any:
    """What a YAML text says; None where it says nothing.

    Raises:
        ValueError: If it is no YAML, names objects of Python's, is nested too deeply,
            or has aliases that stand for themselves or for far more than is written.
    """
    try:
        _check_depth(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from None
    loader = LOADER(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if "*" in text:
            _check_growth(root, ALLOWED + 2 * len(text))
        return loader.construct_document(root)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except UNMAKEABLE:
        raise ValueError("a value that its tag does not fit") from None
    finally:
        loader.dispose()


def read_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not UTF-8, or as :func:`parse_yaml`.
    """
    return parse_yaml(path.read_text(encoding="utf-8"))


def _check_depth(text: str) -> None:
    """Refuse blocks too deep, before nodes are made of them, which recurs."""
    depth = 0
    for event in yaml.parse(text, LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            raise ValueError(f"blocks inside blocks, over {DEPTH}")


def _check_growth(root: yaml.Node, most: int) -> None:
    """Refuse nodes that hold themselves, or stand for more than so many values."""
    sizes: dict[int, int] = {}  # of a node with all below it, by identity
    around: set[int] = set()  # nodes whose parts are being counted
    todo = [(root, False)]
    while todo:
        node, counted = todo.pop()
        key, parts = id(node), _parts(node)
        if counted:
            sizes[key] = 1 + sum(sizes[id(part)] for part in parts)
            around.discard(key)
        elif key in around:
            raise ValueError("an alias that stands for itself")
        elif key not in sizes:
            around.add(key)
            todo += [(node, True), *((part, False) for part in parts)]
    if sizes[id(root)] > most:
        raise ValueError(f"aliases that stand for {sizes[id(root)]:.3g} values")


def _parts(node: yaml.Node) -> list[yaml.Node]:
    """What stands in a list or a mapping, keys included."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
