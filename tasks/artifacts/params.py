"""Parameters: a block of params.yaml becomes a frozen dataclass, or is refused.

Defaults live in ``params/`` alone; the dataclasses have none. A field's range is part
of its type: ``expectile: Annotated[float, Range(0, 1, open=True)]``.
"""

import dataclasses
import difflib
import importlib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args, get_origin, get_type_hints

import yaml

from tasks.artifacts.errors import RefusedError

PARAMS = Path("params.yaml")
MEND = "change it in params/ and run: make params"


@dataclass(frozen=True)
class Range:
    """The interval a number, or each number of a list, has to lie in.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        open: Whether the two ends themselves are not allowed.
    """

    low: float
    high: float = math.inf
    open: bool = False

    def __contains__(self, value: float) -> bool:
        """Whether the value lies inside; NaN never does."""
        if self.open:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def __str__(self) -> str:
        """The interval as mathematics writes it."""
        left, right = "()" if self.open else "[]"
        return f"{left}{self.low:g}, {self.high:g}{right}"


@dataclass(frozen=True)
class OneOf:
    """The words that a text has to be one of."""

    words: tuple[str, ...]

    def __contains__(self, value: str) -> bool:
        """Whether the word is one of them."""
        return value in self.words

    def __str__(self) -> str:
        """The words, for errors."""
        return "one of " + ", ".join(self.words)


@dataclass(frozen=True)
class Params:
    """The base of all dataclasses of parameters: checks types and ranges when built."""

    def __post_init__(self) -> None:
        """Check each field.

        Raises:
            RefusedError: If a value has the wrong type or lies outside its range.
        """
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            _check(name, getattr(self, name), hint)

    @classmethod
    def parse(cls, block: Mapping[str, Any], where: str) -> Self:
        """Build the parameters from a block of params.yaml.

        Args:
            block: The block; keys that begin with ``_`` are Hydra's and left out.
            where: The block's dotted path, e.g. ``train.iql``, for errors.

        Raises:
            RefusedError: On an unknown key (names the nearest), a missing one, a value
                of a wrong type or outside its range.
        """
        fields = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in block.items() if not k.startswith("_")}
        for key in values:
            if key not in fields:
                raise RefusedError(
                    PARAMS, f"{where}.{key}", "an unknown key", *_nearest(key, fields)
                )
        for key in sorted(fields - values.keys()):
            raise RefusedError(
                PARAMS,
                f"{where}.{key}",
                "nothing",
                "a value",
                f"add the key {key} to the block {where}",
            )
        typed = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        try:
            return cls(**typed)
        except RefusedError as error:
            raise RefusedError(
                error.where,
                f"{where}.{error.field}",
                error.found,
                error.expected,
                error.mend,
            ) from None


def _nearest(word: str, names: Iterable[str]) -> tuple[str, str]:
    """What was expected instead of an unknown word, and what to do about it."""
    names = sorted(names)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.0)
    return (
        f"one of {', '.join(names)}",
        f"did you mean {near[0]}?" if near else "remove it",
    )


def _check(field: str, value: Any, hint: Any) -> None:
    """Refuse a value that does not fit its annotated type."""
    limits: tuple[Any, ...] = ()
    if get_origin(hint) is typing.Annotated:
        hint, *rest = get_args(hint)
        limits = tuple(rest)
    if not _fits(value, hint):
        raise RefusedError(PARAMS, field, repr(value), _words(hint), MEND)
    values = value if isinstance(value, tuple) else (value,)
    for limit in limits:
        for entry in values:
            if entry is not None and entry not in limit:
                raise RefusedError(PARAMS, field, repr(entry), str(limit), MEND)


def _words(hint: Any) -> str:
    """A type as a user of YAML would say it."""
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        count = "" if Ellipsis in rest else f"{len(rest) + 1} "
        return f"a list of {count}{_words(first)}"
    if get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_words(option) for option in get_args(hint))
    names = {float: "finite number", int: "whole number", bool: "true or false"}
    names |= {str: "text", type(None): "null"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type, of the kinds that YAML can hold."""
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if origin is tuple and isinstance(value, tuple):
        first, *rest = get_args(hint)
        count = len(value) if Ellipsis in rest else len(rest) + 1
        return len(value) == count and all(_fits(v, first) for v in value)
    if origin is not None:
        return isinstance(value, origin)
    if hint is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def load(path: Path = PARAMS) -> dict[str, Any]:
    """Read the composed parameters of a study.

    Args:
        path: params.yaml.

    Returns:
        Its groups by name, e.g. ``train``, and the block ``study``.

    Raises:
        RefusedError: If the file is missing or is not a mapping in YAML.
    """
    expected = ("the composed study", "run: make params")
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RefusedError(path, "file", "nothing", *expected) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RefusedError(path, "content", error, *expected) from None
    if not isinstance(loaded, dict):
        raise RefusedError(path, "content", f"{loaded!r:.40}", *expected)
    return loaded


def check_known(name: str, names: Iterable[str], where: str) -> None:
    """Refuse a name that is not one of those there are.

    Args:
        name: What a user or a study says.
        names: The allowed ones.
        where: The dotted path the name stands at, for errors.

    Raises:
        RefusedError: If there is no such name; names the nearest one.
    """
    if name not in (names := tuple(names)):
        raise RefusedError(
            PARAMS, f"{where}.{name}", "an unknown name", *_nearest(name, names)
        )


def pick(params: Mapping[str, Any], group: str, name: str) -> dict[str, Any]:
    """Pick the block of one method out of all parameters.

    Args:
        params: The composed parameters.
        group: The group it is in, e.g. ``train``.
        name: Its name there, e.g. ``iql``.

    Returns:
        The block ``group.name``.

    Raises:
        RefusedError: If the study has no such block; names the nearest one.
    """
    blocks = params.get(group) or {}
    if not isinstance(blocks, Mapping):
        raise RefusedError(PARAMS, group, f"{blocks!r:.40}", "a mapping", MEND)
    check_known(name, blocks, group)
    block = blocks[name]
    if not isinstance(block, dict):
        raise RefusedError(
            PARAMS, f"{group}.{name}", f"{block!r:.40}", "a mapping", MEND
        )
    return block


def build(block: Mapping[str, Any], where: str, **extra: Any) -> Any:
    """Build the method that a block describes.

    Args:
        block: Names the class in ``_target_`` and holds the fields of its
            ``Parameters``.
        where: The block's dotted path, e.g. ``train.iql``, for errors.
        **extra: Passed to the class beside ``params``.

    Returns:
        An instance of the class.

    Raises:
        RefusedError: If the target is not a class of this project, or its
            parameters are refused.
    """
    target = str(block.get("_target_", ""))
    cls = resolve(target, where)
    if not hasattr(cls, "Parameters"):
        raise RefusedError(
            PARAMS, f"{where}._target_", target, "a class with Parameters", MEND
        )
    return cls(params=cls.Parameters.parse(block, where), **extra)


def resolve(target: str, where: str, package: str = "tasks.") -> Any:
    """Find the class that a dotted name stands for, among this project's alone.

    Parameters are data and must not become a way to run other code.

    Args:
        target: E.g. ``tasks.train.iql.IQL``.
        where: The dotted path of the block that names it, for errors.
        package: What the name of its module has to begin with.

    Raises:
        RefusedError: If there is no such class under ``package``.
    """
    module, _, name = target.rpartition(".")
    if module.startswith(package):
        try:
            value = getattr(importlib.import_module(module), name, None)
        except ModuleNotFoundError as error:
            if not str(error.name).startswith("tasks"):
                raise  # the module is there and lacks a dependency
            value = None
        if isinstance(value, type) and value.__module__.startswith(package):
            return value
    raise RefusedError(
        PARAMS,
        f"{where}._target_",
        target or "nothing",
        f"a class under {package}",
        "name it in full, e.g. tasks.train.iql.IQL",
    )
