"""The rule for names, asked at every door before anything else is.

Names of datasets, methods, variants, studies ... stand in shell commands and in paths:
``dvc.yaml`` makes both of them. So a name is a word of letters, digits, ``_`` and
``-``, begins with a letter or digit, and is at most 64 characters long. Nothing that a
shell reads as more than a word, and no way out of a folder, is one.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
RULE = "1 to 64 letters, digits, _ and -, the first a letter or digit"
MEND = "choose another name"
PARAMS = Path("params.yaml")
FREE_TEXT = ("title",)  # of a study: shown to readers, part of no command and no path
# by block, what its entries say beside their key that is part of a command or a path
INNER: Mapping[str, tuple[str, ...]] = {
    "dataset": ("method", "world.name"),
    "imported": ("method", "world.name", "generate.source"),
    "corruption": ("source",),
    "attack": ("source", "attacker"),
    "arrays": ("method",),
    "cut": ("dataset", "learner", "policy"),
    "adopted": ("method", "dataset"),
}
PATHS: Mapping[str, tuple[str, ...]] = {
    "bed": ("needs_dataset", "needs_policies"),
    "claim": ("bed",),
}
# a name, or the name of a file with its ending
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9]{1,16})?")


class NameRule:
    """The rule as a limit of a parameter: ``name: Annotated[str, NameRule()]``."""

    def __contains__(self, value: object) -> bool:
        """Whether the value is a name."""
        return isinstance(value, str) and NAME.fullmatch(value) is not None

    def __str__(self) -> str:
        """The rule, for errors."""
        return RULE


def check_name(value: object, field: str, where: object = PARAMS) -> str:
    """Refuse what is no name.

    Args:
        value: What stands there.
        field: The dotted path or the option it stands at, for errors.
        where: The file or command line, for errors.

    Returns:
        The name.

    Raises:
        RefusedError: If it is no text, or breaks the rule.
    """
    if value in NameRule():
        return str(value)
    raise RefusedError(where, field, shown(value), RULE, MEND)


class Options(Protocol):
    """A parser of a command line, or a group of its options."""

    def add_argument(self, *names: str, **more: Any) -> Any:
        """Add an option."""


def add_name(parser: Options, option: str, **more: Any) -> None:
    """Add an option or argument whose value has to be a name.

    Args:
        parser: Of the command, or a group of its options.
        option: E.g. ``--dataset``.
        **more: As of ``add_argument``.
    """

    def name(text: str) -> str:
        return check_name(text, option, "command line")

    parser.add_argument(option, type=name, **more)


def check_names(params: Mapping[str, Any], where: object = PARAMS) -> None:
    """Refuse composed parameters in which something that has to be a name is none.

    Looked at are the keys of all blocks, what a block says of its world, method, source
    and attacker, the paths of beds and claims, and all texts of the study but its
    title. What is missing or of another kind is left to the check of parameters.

    Args:
        params: The composed parameters.
        where: The file they come from, for errors.

    Raises:
        RefusedError: At the first one.
    """
    for group, block in params.items():
        check_name(group, "a block", where)
        if not isinstance(block, Mapping) or group == "study":
            continue
        for key, entry in block.items():
            if group == "cut":  # called after two names, so up to twice as long
                _check_cut(key, entry, where)
            else:
                check_name(key, f"{group}, a key", where)
            field = f"{group}.{key}"
            for inner in INNER.get(group, ()):
                for value in _at(entry, inner):
                    check_name(value, f"{field}.{inner}", where)
            for inner in PATHS.get(group, ()):
                for value in _at(entry, inner):
                    _check_path(value, f"{field}.{inner}", where)
    for field, text in _texts(params.get("study"), "study"):
        check_name(text, field, where)


def _check_cut(key: object, entry: object, where: object) -> None:
    """Refuse a key of ``cut`` that is not the dataset and the policy of its entry."""
    names = [
        check_name(value, f"cut.{inner}", where)
        for inner in ("dataset", "policy")
        for value in _at(entry, inner)
    ]
    if key != "-".join(names) or len(names) < 2:
        expected = "the names of its dataset and its policy"
        raise RefusedError(where, "cut, a key", shown(key), expected, MEND)


def _check_path(value: object, field: str, where: object) -> None:
    """Refuse a path that leads out of the project, or of which a part is no name."""
    text = isinstance(value, str)
    if not text or not all(PART.fullmatch(part) for part in str(value).split("/")):
        expected = "a path below the project's folder, each part a name"
        raise RefusedError(where, field, shown(value), expected, MEND)


def _at(entry: object, inner: str) -> Iterator[object]:
    """What stands at a dotted path of a block; nothing where there is no such key."""
    for key in inner.split("."):
        if not isinstance(entry, Mapping) or key not in entry:
            return
        entry = entry[key]
    yield entry


def _texts(entry: object, where: str) -> Iterator[tuple[str, object]]:
    """All keys and texts below an entry of the study, each with its dotted path."""
    if isinstance(entry, Mapping):
        for key, value in entry.items():
            yield f"{where}, a key", key
            if where != "study" or key not in FREE_TEXT:
                yield from _texts(value, f"{where}.{key}")
    elif isinstance(entry, list | tuple):
        for value in entry:
            yield from _texts(value, where)
    elif isinstance(entry, str | bytes):
        yield where, entry
