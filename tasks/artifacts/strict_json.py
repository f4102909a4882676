"""JSON as the standard has it, which Python's parser takes more loosely."""

import json
import math
from collections.abc import Iterator
from typing import Any

DEPTH = 64  # brackets inside each other
WHOLE_DIGITS = 300  # of a whole number


def parse_json(text: str) -> Any:
    """Parse JSON as the standard has it.

    Raises:
        ValueError: If it is no JSON, deeper than :data:`DEPTH`, or holds a key twice,
            NaN, an infinity, a number beyond a float's range or half a character.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError:
        raise ValueError("brackets too deep") from None
    level, depth = [value], 0
    while level := [part for whole in level for part in _parts(whole)]:
        depth += 1
        if depth > DEPTH:
            raise ValueError("brackets too deep")
    if "\\u" in text:  # half of a pair cannot be written as UTF-8
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _parts(value: Any) -> Iterator[Any]:
    """What stands in an object or array, if it is one."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's keys and values, each key once."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r:.80} twice")
    return entries


def _refuse_constant(name: str) -> Any:
    """NaN and the infinities, which JSON does not have."""
    raise ValueError(f"the value {name}")


def _finite(digits: str) -> float:
    """A number with a point or an exponent."""
    if math.isinf(number := float(digits)):
        raise ValueError(f"the number {digits:.40}, beyond a float's range")
    return number


def _whole(digits: str) -> int:
    """A whole number; start seeds may be long, but not beyond a float's range."""
    if len(digits) > WHOLE_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)
