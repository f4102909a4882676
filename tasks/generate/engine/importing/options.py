"""What a user says of an import: OPTIONS and MAP."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.nearest import suggestion
from tasks.artifacts.params import load
from tasks.artifacts.strict_yaml import parse_yaml, read_yaml
from tasks.generate.imported.logs import Options

DEFAULTS = Path("params/generate/imported.yaml")
OWN = ("ref_scores", "step_seconds")  # of the world that logs are said to be of
WHERE = "OPTIONS"


@dataclass(frozen=True)
class Said:
    """The words of OPTIONS and MAP.

    Attributes:
        changed: What differs from params/generate/imported.yaml.
        options: All of them.
        world: ``ref_scores`` and ``step_seconds``, if said.
    """

    changed: dict[str, Any]
    options: Options
    world: dict[str, Any]


def understood(text: str, map_file: str, name: str) -> Said:
    """What OPTIONS and MAP say.

    Args:
        text: ``key=value ...``; values are YAML, a list may be A,B.
        map_file: Path of a YAML file; empty: none.
        name: Of the source.

    Raises:
        RefusedError: On an unknown key, or a value of a wrong type or range.
    """
    defaults = load(DEFAULTS)
    hints = get_type_hints(Options)
    changed: dict[str, Any] = {}
    world: dict[str, Any] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        mend = "close the quotes"
        raise RefusedError(WHERE, "text", error, "key=value ...", mend) from None
    for word in words:
        key, equals, stated = word.partition("=")
        known = [k for k in (*defaults, *OWN) if k not in ("_target_", "source", "map")]
        if not equals or key not in known:
            raise RefusedError(WHERE, key, "no such option", *suggestion(key, known))
        value = _value(key, stated)
        listed = key == "ref_scores" or get_origin(hints.get(key)) is tuple
        if listed and not isinstance(value, list):
            value = [_value(key, part) for part in stated.split(",")]
        (world if key in OWN else changed)[key] = value
    if map_file:
        changed["map"] = _map(Path(map_file))
    _check_plain(changed)
    block = {**defaults, **changed, "source": name}
    return Said(changed, Options.parse(block, WHERE), world)


def _value(key: str, text: str) -> Any:
    try:
        value = parse_yaml(text)
    except ValueError as error:
        mend = "write a number, a word, or a list [A,B]"
        raise RefusedError(
            WHERE, key, repr(text), "a value", f"{error}; {mend}"
        ) from None
    return "" if value is None else text if key == "episodes" else value


def _map(path: Path) -> dict[str, Any]:
    """The mapping file."""
    mend = "docs/data.md has an example"
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise RefusedError(path, "MAP", error, "a mapping in YAML", mend) from None
    if not isinstance(content, dict):
        raise RefusedError(path, "MAP", "no mapping", "a mapping in YAML", mend)
    return content


def _check_plain(value: Any) -> None:
    """Refuse text that stands for something else where parameters are composed."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_plain(key)
            _check_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_plain(inner)
    elif isinstance(value, str) and "${" in value:
        mend = "rename it in the source"
        raise RefusedError(WHERE, "text", value, "a name without ${", mend)
