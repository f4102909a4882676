"""Parameters: a block of params.yaml becomes a frozen dataclass, or is refused.

Defaults live in ``params/`` alone; the dataclasses have none. A field's range is part
of its type: ``expectile: Annotated[float, Range(0, 1, open=True)]``.
"""

import dataclasses
import importlib
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args, get_origin, get_type_hints

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import fits, shown, words
from tasks.artifacts.nearest import suggestion
from tasks.artifacts.strict_yaml import read_yaml

PARAMS = Path("params.yaml")
MEND = "change it in params/ and run: make params"
TARGET = re.compile(r"[A-Za-z]\w*(\.\w+){1,15}", re.ASCII)
LONGEST = 64  # characters of a name


@dataclass(frozen=True)
class Range:
    """The interval a number, or each number of a list, has to lie in.

    Attributes:
        low: Its lower end.
        high: Its upper end; where nature knows none, one that no study reaches, so that
            a slip of the keyboard does not ask for more memory than there is.
        open: Whether the two ends themselves are not allowed.
    """

    low: float
    high: float
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
class Distinct:
    """How many entries a list may have, of which none stands there twice."""

    least: int = 0
    most: int = 1000

    def __contains__(self, entries: tuple[Any, ...]) -> bool:
        """Whether a list is of that length and without repetition."""
        rest = list(entries)
        repeated = any(entry in rest[:at] for at, entry in enumerate(rest[: self.most]))
        return self.least <= len(rest) <= self.most and not repeated

    def __str__(self) -> str:
        """The rule, for errors."""
        return f"{self.least} to {self.most} entries, none twice"


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
            block: The block; its ``_target_`` is left out. A field whose type is a
                dataclass of parameters is a block itself.
            where: The block's dotted path, e.g. ``train.iql``, for errors.

        Raises:
            RefusedError: On an unknown key (names the nearest), a missing one, a value
                of a wrong type or outside its range.
        """
        check_mapping(block, where)
        fields = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in block.items() if k != "_target_"}
        for key in values:
            check_known(key, fields, where, "an unknown key")
        for key in sorted(fields - values.keys()):
            raise RefusedError(
                PARAMS,
                f"{where}.{key}",
                "nothing",
                "a value",
                f"add the key {key} to the block {where}",
            )
        typed = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        for key, hint in get_type_hints(cls).items():
            if isinstance(hint, type) and issubclass(hint, Params):
                typed[key] = hint.parse(values[key], f"{where}.{key}")
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


def _check(field: str, value: Any, hint: Any) -> None:
    """Refuse a value that does not fit its annotated type."""
    limits: tuple[Any, ...] = ()
    if get_origin(hint) is typing.Annotated:
        hint, *rest = get_args(hint)
        limits = tuple(rest)
    if not fits(value, hint):
        raise RefusedError(PARAMS, field, shown(value), words(hint), MEND)
    values = value if isinstance(value, tuple) else (value,)
    for limit in limits:
        for entry in (value,) if isinstance(limit, Distinct) else values:
            if entry is None or (isinstance(limit, Range) and isinstance(entry, str)):
                continue  # of a type that the range is not of
            if entry not in limit:
                raise RefusedError(PARAMS, field, shown(entry), str(limit), MEND)


def load(path: Path = PARAMS) -> dict[str, Any]:
    """Read the composed parameters of a study, or a file of ``params/``.

    Args:
        path: params.yaml, or the file.

    Returns:
        Its groups by name, e.g. ``train``, and the block ``study``.

    Raises:
        RefusedError: If the file is missing or is not a mapping in YAML.
    """
    expected, mend = "the composed study", "run: make params"
    if path.name != PARAMS.name:
        expected, mend = "a mapping in YAML", f"run: git checkout {path}"
    try:
        loaded = read_yaml(path)
    except FileNotFoundError:
        raise RefusedError(path, "file", "nothing", expected, mend) from None
    except OSError as error:
        raise RefusedError(path, "file", error.strerror, expected, mend) from None
    except ValueError as error:
        raise RefusedError(path, "content", error, expected, mend) from None
    if not isinstance(loaded, dict):
        raise RefusedError(path, "content", shown(loaded), expected, mend)
    return loaded


def check_known(
    name: object, names: Iterable[str], where: str, what: str = "an unknown name"
) -> None:
    """Refuse a name that is not one of those there are.

    Args:
        name: What a user or a study says.
        names: The allowed ones.
        where: The dotted path the name stands at, for errors.
        what: What is refused, for errors.

    Raises:
        RefusedError: If there is no such name; names the nearest one.
    """
    if not isinstance(name, str):
        raise RefusedError(PARAMS, where, shown(name), "a name, as text", MEND)
    if name not in (names := tuple(names)):
        field = f"{where}.{name if len(name) <= LONGEST else shown(name)}"
        raise RefusedError(PARAMS, field, what, *suggestion(name, names))


def check_mapping(block: object, where: str) -> None:
    """Refuse what should be a block and is none."""
    if not isinstance(block, Mapping):
        raise RefusedError(PARAMS, where, shown(block), "a mapping", MEND)


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
    check_mapping(blocks, group)
    check_known(name, blocks, group)
    block: dict[str, Any] = blocks[name]
    check_mapping(block, f"{group}.{name}")
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
    cls = class_of(block, where)
    return cls(params=cls.Parameters.parse(block, where), **extra)


def class_of(block: Mapping[str, Any], where: str) -> Any:
    """The class a block names, which has parameters; refuses any other."""
    check_mapping(block, where)
    target = block.get("_target_", "")
    cls = resolve(target, where)
    if not hasattr(cls, "Parameters"):
        raise RefusedError(
            PARAMS, f"{where}._target_", target, "a class with Parameters", MEND
        )
    return cls


def resolve(target: object, where: str, package: str = "tasks.") -> Any:
    """Find the class that a dotted name stands for, among this project's alone.

    Parameters are data and must not become a way to run other code.

    Args:
        target: E.g. ``tasks.train.iql.IQL``.
        where: The dotted path of the block that names it, for errors.
        package: What the name of its module has to begin with.

    Raises:
        RefusedError: If there is no such class under ``package``.
    """
    dotted = target if isinstance(target, str) and TARGET.fullmatch(target) else ""
    module, _, name = dotted.rpartition(".")
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
        shown(target) if target else "nothing",
        f"a class under {package}",
        "name it in full, e.g. tasks.train.iql.IQL",
    )
