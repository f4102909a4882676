"""Parameters of every study, spoilt one place at a time, are refused or are right.

``OFFCUT_MUTATIONS=all`` tries every mutation of every place of every study, which takes
minutes; otherwise a sample of them is tried, always the same.
"""

import logging
import math
import os
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.code.check import check

ROOT = Path(__file__).parents[2]
EVERY = os.environ.get("OFFCUT_MUTATIONS") == "all"
STUDIES = sorted(path.stem for path in (ROOT / "params/study").glob("*.yaml"))
SAMPLED = [name for name in STUDIES if name.endswith("_smoke")]
SAMPLE = 300  # mutations a study

Place = tuple[Any, Any]  # a mapping or list, and a key or number in it


def itself() -> list[Any]:
    """A list that holds itself, as an alias in YAML can make one."""
    value: list[Any] = []
    value.append(value)
    return value


def nested() -> dict[str, Any]:
    """Blocks in blocks, deeper than any method needs."""
    value: dict[str, Any] = {}
    for _ in range(2000):
        value = {"a": value}
    return value


VALUES: list[Any] = [
    *(None, True, "", "nosuch", "a" * 5000, "../..", "a\nb", "\ud800", "$(touch x)"),
    *(-1, 0, 3, 10**9, 10**18, 10**400, 0xF << 40_000, 0.5, -1.5, 1e308),
    *(math.nan, math.inf, -math.inf, date(2020, 1, 1), b"bytes"),
    *([], [[]], [None], ["a", "a"], [3, 3], [{}], ["x", 3], [0.5] * 3),
    *({}, {"a": 1}, {1: 2}, {None: None}, {"_target_": "os.system"}),
    *("os.system", "tasks.train.bc.BC", "tasks.compress.float32.Float32"),
    *(
        "tasks.train.Learner",
        "tasks..bc.BC",
        "tasks.\0",
        "tasks.artifacts.params.Params",
    ),
    *({"_target_": "tasks.train.bc.BC"}, {"_target_": ["tasks.train.bc.BC"]}),
    *(itself(), nested()),
]
KEYS: list[Any] = [3, None, True, ("a", "b"), "", "a" * 5000, "_targett_", "updatess"]


def places(value: Any) -> Iterator[Place]:
    """Every place of a block, leaves and blocks alike."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(entries):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def refused(params: Any) -> str:
    """The line with which parameters are refused; nothing if they are right."""
    try:
        check(params)
    except RefusedError as error:
        return str(error)
    return ""


def spoilt(params: Any, place: Place, kind: Any) -> str:
    """What is said once one place is mutated, which is undone afterwards."""
    block, key = place
    before = block.copy()
    what, value = kind
    if what == "value":
        block[key] = value
    elif what == "gone":
        del block[key]
    elif isinstance(block, list):
        block.append(block[key])  # twice
    else:
        block[value] = block.pop(key)
    try:
        return refused(params)
    finally:
        block.clear()
        block.update(before) if isinstance(block, dict) else block.extend(before)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", STUDIES if EVERY else SAMPLED)
def test_no_mutation_of_a_study_is_an_error_of_the_check(name: str):
    params = yaml.safe_load(composed([f"study={name}"], ROOT / "params"))
    kinds = [("value", v) for v in VALUES] + [("key", k) for k in KEYS]
    kinds.append(("gone", None))
    cases = [(place, kind) for place in places(params) for kind in kinds]
    if not EVERY:
        cases = random.Random(0).sample(cases, SAMPLE)  # noqa: S311
    said = [spoilt(params, place, kind) for place, kind in cases]
    logging.getLogger(__name__).info(
        "%d refused of %d", sum(map(bool, said)), len(said)
    )
    assert not [line for line in said if "\n" in line or len(line) > 3000]
    assert refused(params) == ""
