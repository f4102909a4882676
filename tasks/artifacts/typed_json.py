"""JSON whose content a type describes, checked before anybody reads a part of it.

A description is made of ``TypedDict``, ``list``, ``tuple``, ``dict[str, ...]``, unions
and numbers, words and truth values; a limit stands in ``Annotated``, as a parameter's
does (``params.py``). ``formats.py`` holds those of the stages' files. Keys that a
description does not name are let through: a file may say more.
"""

import typing
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import fits, shown, words
from tasks.artifacts.sealed import read_sealed

T = TypeVar("T")
Fault = tuple[str, str, str]  # field, what stands there, what was expected
WRAPPERS = (typing.NotRequired, typing.Required)


def read_typed(path: Path, command: str, kind: type[T], *, seal: bool = True) -> T:
    """Read a JSON file and check that its content is as described.

    Args:
        path: The file.
        command: What makes it, for errors.
        kind: The description.
        seal: Whether it has to state its own hash; one it states is always checked.

    Raises:
        RefusedError: If the file is missing, no JSON, has another hash than it states,
            or a field is missing, of another type or out of its range.
    """
    content = read_sealed(path, command, needed=seal)
    return check_typed(content, kind, path, f"make it again with: {command}")


def check_typed(
    content: Any,
    kind: type[T],
    path: object,
    mend: str,
    needed: Collection[str] | None = None,
) -> T:
    """Refuse content that is not as described.

    Args:
        content: What JSON holds.
        kind: The description.
        path: The file, for errors.
        mend: For errors.
        needed: Dotted names of the keys that must be there; None stands for all that
            the description asks for. Another revision's file may have fewer.

    Returns:
        The content.

    Raises:
        RefusedError: Names the first field that does not fit.
    """
    for field, found, expected in _faults(content, kind, "", needed):
        raise RefusedError(path, field or "content", found, expected, mend)
    checked: T = content
    return checked


@cache
def _keys(kind: Any) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The keys a ``TypedDict`` names with their types, and those it asks for."""
    return get_type_hints(kind, include_extras=True), kind.__required_keys__


def _faults(
    value: Any, hint: Any, field: str, needed: Collection[str] | None
) -> Iterator[Fault]:
    """What does not fit, field by field."""
    limits: tuple[Any, ...] = ()
    while get_origin(hint) in WRAPPERS:
        (hint,) = get_args(hint)
    if get_origin(hint) is typing.Annotated:
        hint, *rest = get_args(hint)
        limits = tuple(rest)
    inner = list(_inside(value, hint, field, needed))
    yield from inner
    if not inner:
        for limit in limits:
            if value not in limit:
                yield field, shown(value), str(limit)


def _inside(
    value: Any, hint: Any, field: str, needed: Collection[str] | None
) -> Iterator[Fault]:
    """Faults of a value's type and of its parts."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (typing.Union, UnionType):
        several = [list(_faults(value, part, field, needed)) for part in parts]
        if all(several):  # that option is meant whose fault lies deepest
            yield max((faults[0] for faults in several), key=lambda f: len(f[0]))
    elif typing.is_typeddict(hint):
        yield from _of_block(value, hint, field, needed)
    elif origin is dict and isinstance(value, dict):
        for key, part in value.items():
            yield from _faults(part, parts[1], f"{field}.{key}".lstrip("."), needed)
    elif origin in (list, tuple):
        yield from _of_list(value, hint, field, needed)
    elif hint is not Any and not fits(value, hint):
        yield field, shown(value), "an object" if origin is dict else words(hint)


def _of_list(
    value: Any, hint: Any, field: str, needed: Collection[str] | None
) -> Iterator[Fault]:
    """Faults of a list and its entries; a tuple stands for a list of fixed length."""
    kinds = get_args(hint)
    fixed = get_origin(hint) is tuple
    if not isinstance(value, list) or (fixed and len(value) != len(kinds)):
        yield field, shown(value), f"a list of {len(kinds)}" if fixed else "a list"
        return
    for number, part in enumerate(value):
        kind = kinds[number if fixed else 0]
        yield from _faults(part, kind, f"{field}[{number}]", needed)


def _of_block(
    value: Any, hint: Any, field: str, needed: Collection[str] | None
) -> Iterator[Fault]:
    """Faults of an object and its keys."""
    if not isinstance(value, dict):
        yield field, shown(value), "an object"
        return
    hints, required = _keys(hint)
    for key, kind in hints.items():
        name = f"{field}.{key}".lstrip(".")
        if key in value:
            yield from _faults(value[key], kind, name, needed)
        elif key in required and (needed is None or _holds(name, needed)):
            yield name, "nothing", "a value"


def _holds(name: str, needed: Collection[str]) -> bool:
    """Whether a key is one of those that must be there, or one of them is in it."""
    return any(f"{other}.".startswith(f"{name}.") for other in needed)
