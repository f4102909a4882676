"""``data/claims/NAME.json``: what came of a claim, which the pages are written from."""

from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

from tasks.artifacts.formats import Count, Number, Seed, Size
from tasks.artifacts.params import Range
from tasks.artifacts.sealed import read_sealed
from tasks.artifacts.typed_json import check_typed

CLAIMS = Path("data/claims")
SCHEMA = 2
COMMAND = "make claims"


class Measured(TypedDict):
    """A figure, with its interval or the reason why it has none."""

    name: str
    value: Number
    low: Number
    high: Number
    unit: str
    of: str
    n: Count
    sd: Size | None
    exact: str


class Primary(Measured):
    """What decides."""

    bound: Number
    smallest: Size
    pilot_sd: Size
    pilot: str
    measures: str
    verdict: str


class Asked(Measured):
    """A gate."""

    kind: str
    rule: str
    passed: bool


class Content(TypedDict):
    """A claim's file, ``NAME.json``."""

    schema: Annotated[int, Range(2, 2)]
    claim: str
    study: str
    statement: str
    paper: str
    seeds: list[Seed]
    verdict: str
    refused: list[str]
    primary: Primary
    gates: list[Asked]
    figures: list[Measured]
    wall_seconds: NotRequired[Size]


def read(path: Path) -> Content | None:
    """What came of a claim; None where an earlier rule judged it.

    Raises:
        RefusedError: If the file is no JSON, or not as described.
    """
    content = read_sealed(path, COMMAND, needed=False)
    if isinstance(content, dict) and content.get("schema") == 1:
        return None
    return check_typed(content, Content, path, f"make it again with: {COMMAND}")
