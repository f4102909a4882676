"""docs/trust.md: what it says is checked is held by a test that exists."""

import re
from pathlib import Path

import pytest

from tests.hazards.every import every

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/trust.md").read_text("utf-8")
HELD = re.findall(r"^\|[^|]+\|[^|]+\| (hazards: [\w ]+|tests/\S+) \|$", TEXT, re.M)
KINDS = {case.kind for case in every()}


@pytest.mark.parametrize("name", HELD)
def test_what_trust_says_is_held(name: str):
    file, _, test = name.partition("::")
    if test:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8")
    else:
        assert name.removeprefix("hazards: ") in KINDS


def test_every_kind_stands_there():
    assert {f"hazards: {kind}" for kind in KINDS} <= set(HELD)
    section = TEXT.partition("## At which door")[2].partition("| what is not")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(HELD) == len(rows) - 1  # its head
