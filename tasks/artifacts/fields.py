"""Whether a value that YAML can hold is of a Python type, and how to say so."""

import math
import reprlib
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class Swept:
    """A mark on a parameter, no limit: a sweep may give each slice a value of it."""

    def __contains__(self, value: object) -> bool:
        """Whether the mark forbids a value, which it never does."""
        return True


# a number that stands in a learner's equations alone: slices can differ in it
Sweepable = Annotated[float, Swept()]

BRIEF = reprlib.Repr()
BRIEF.maxstring = BRIEF.maxother = 80
BRIEF.maxlevel = 3


def shown(value: object) -> str:
    """A value as an error repeats it: on one line, a long one cut."""
    try:
        return BRIEF.repr(list(value) if isinstance(value, tuple) else value)
    except ValueError:
        return "a number of thousands of digits"


def words(hint: Any) -> str:
    """A type as a user of YAML would say it."""
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        count = "" if Ellipsis in rest else f"{len(rest) + 1} "
        return f"a list of {count}{words(first)}"
    if get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(words(option) for option in get_args(hint))
    names = {float: "finite number", int: "whole number", bool: "true or false"}
    names |= {str: "text", type(None): "null"}
    if issubclass(get_origin(hint) or hint, Mapping):
        return "a mapping"
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, of the kinds that YAML can hold."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, option) for option in get_args(hint))
    if origin is tuple and isinstance(value, tuple):
        first, *rest = get_args(hint)
        count = len(value) if Ellipsis in rest else len(rest) + 1
        return len(value) == count and all(fits(v, first) for v in value)
    if origin is not None:
        return isinstance(value, origin)
    if hint is float:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole or (isinstance(value, float) and math.isfinite(value))
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def sweepable(parameters: type) -> list[str]:
    """Names of the numbers of a dataclass of parameters that a sweep may list."""
    hints = get_type_hints(parameters, include_extras=True)
    return [
        name
        for name, hint in hints.items()
        if any(isinstance(mark, Swept) for mark in get_args(hint))
    ]
