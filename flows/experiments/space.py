"""The space of a search: which keys of a study may take which values.

Written as one text, a word a key:

| word | the key takes |
|---|---|
| ``train.iql.expectile=0.6..0.9`` | any number of the interval, its ends included |
| ``train.iql.beta=1..10(log)`` | the same, evenly on a log scale |
| ``study.batch=64..512`` | whole numbers, as the study's own value is one |
| ``train.iql.actor_hidden=[64,64],[128,128]`` | one of the values |
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.fields import fits
from tasks.artifacts.nearest import nearest

WHERE = "SPACE"
RANGE = re.compile(r"(?P<low>[^,\[]+?)\.\.(?P<high>[^,\[(]+)(?P<log>\(log\))?")
COMMA = re.compile(r",(?![^\[{]*[\]}])")  # outside of brackets
EXAMPLE = "key=low..high, key=low..high(log) or key=a,b,c"


@dataclass(frozen=True)
class Interval:
    """A key that takes numbers of an interval.

    Attributes:
        key: Its dotted path in params.yaml.
        low: The least number.
        high: The largest.
        log: Whether numbers are spread evenly on a log scale.
        whole: Whether they are whole.
    """

    key: str
    low: float
    high: float
    log: bool
    whole: bool

    def edges(self) -> list[str]:
        """The values that are tried at the door, as Hydra reads them."""
        return [repr(self.low), repr(self.high)]

    def own(self, value: Any) -> Any:
        """The study's own value, or None where it lies outside."""
        return value if self.low <= value <= self.high else None


@dataclass(frozen=True)
class Choice:
    """A key that takes one of several values.

    Attributes:
        key: Its dotted path in params.yaml.
        values: As Hydra reads them.
    """

    key: str
    values: tuple[str, ...]

    def edges(self) -> list[str]:
        """All values."""
        return list(self.values)

    def own(self, value: Any) -> str | None:
        """The study's own value as it is written here, or None where it is not."""
        same = (text for text in self.values if yaml.safe_load(text) == value)
        return next(same, None)


Dimension = Interval | Choice


def space(text: str, params: Mapping[str, Any]) -> list[Dimension]:
    """Read a space.

    Args:
        text: As the module describes it.
        params: The study's own parameters, composed.

    Returns:
        One dimension a key, at least one.

    Raises:
        RefusedError: On a word that is none, a key that the study has not or that
            stands there twice, an interval of no numbers, or less than two values.
    """
    known = dict(leaves(params))
    dimensions: dict[str, Dimension] = {}
    for word in text.split():
        key, _, values = word.partition("=")
        if key not in known:
            near = nearest(key, known)
            expected = f"e.g. {near}" if near else "a key of the study"
            mend = "name a key of params.yaml"
            raise RefusedError(WHERE, key, "an unknown key", expected, mend)
        if key in dimensions:
            mend = "leave one of the two out"
            raise RefusedError(WHERE, key, "the key twice", "each key once", mend)
        found = RANGE.fullmatch(values)
        if found:
            ends, log = (found["low"], found["high"]), found["log"] is not None
            dimensions[key] = _interval(key, ends, log, known[key])
        else:
            dimensions[key] = _choice(key, values)
    if not dimensions:
        mend = 'e.g. SPACE="train.iql.expectile=0.6..0.9"'
        raise RefusedError(WHERE, "text", text or "nothing", EXAMPLE, mend)
    return list(dimensions.values())


def leaves(block: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a block that is no block itself, with its dotted path."""
    if not isinstance(block, Mapping):
        yield where, block
        return
    for key, value in block.items():
        yield from leaves(value, f"{where}.{key}" if where else str(key))


def _interval(key: str, ends: tuple[str, str], log: bool, own: Any) -> Interval:
    if not fits(own, float):
        mend = "give its values one by one, with commas"
        raise RefusedError(WHERE, key, "an interval", f"values like {own}", mend)
    low, high = ends
    least, largest = _number(key, low), _number(key, high)
    whole = isinstance(own, int)
    if whole and not (isinstance(least, int) and isinstance(largest, int)):
        expected = f"whole numbers, as the study has {own}"
        raise RefusedError(WHERE, key, f"{low}..{high}", expected, "round the ends")
    if not least < largest:
        mend = "leave it out, or give it an interval"
        expected = "a lower end below the upper one"
        raise RefusedError(WHERE, key, f"{low}..{high}", expected, mend)
    if log and least <= 0:
        expected = "a lower end above 0, since the scale is logarithmic"
        raise RefusedError(WHERE, key, low, expected, "raise it, or leave out (log)")
    if not whole:
        least, largest = float(least), float(largest)
    return Interval(key, least, largest, log, whole)


def _number(key: str, text: str) -> float:
    """A whole number or a float; refuses what is neither, or not finite."""
    for kind in (int, float):
        try:
            value: float = kind(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    raise RefusedError(WHERE, key, text, "a number", f"write {EXAMPLE}")


def _choice(key: str, values: str) -> Choice:
    texts = tuple(text.strip() for text in COMMA.split(values))
    try:
        read = [yaml.safe_load(text) for text in texts]
    except yaml.YAMLError:
        read = []
    if not read or not all(texts):
        raise RefusedError(WHERE, key, values or "nothing", EXAMPLE, "write it so")
    different = [value for at, value in enumerate(read) if value not in read[:at]]
    if len(different) < len(read) or len(read) < 2:
        expected = "two values or more, none twice"
        mend = "set a single value with SET instead"
        raise RefusedError(WHERE, key, values, expected, mend)
    return Choice(key, texts)
