"""Every method passes through the graph once in some smoke study."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed

ROOT = Path(__file__).parents[1]
SMOKE = sorted(path.stem for path in (ROOT / "params/study").glob("*smoke.yaml"))
ROOMS = ("beds", "claims", "compress", "estimate", "evaluate", "export", "generate")
ROOMS += ("learn", "measure", "train", "weigh")


def blocks(value: Any) -> Any:
    """Every mapping of a study's parameters."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from blocks(inner)


@pytest.fixture(scope="module")
def studies() -> list[Any]:
    return [yaml.safe_load(composed([f"study={name}"])) for name in SMOKE]


@pytest.mark.parametrize("room", ROOMS)
def test_every_method_is_in_a_smoke_study(studies: list[Any], room: str):
    here = {path.stem for path in (ROOT / "params" / room).glob("*.yaml")}
    ran: set[str] = set()
    for study in studies:
        for block in blocks(study):
            words = str(block.get("_target_", "")).split(".")
            if words[:2] == ["tasks", room]:
                ran.add(words[2])
            if room == "generate" and "method" in block:
                ran.add(block["method"])
        if study["corruption"] and room == "generate":
            ran.add("corrupt")
    assert here == ran & here


def test_what_a_smoke_study_trains_and_compresses_runs(studies: list[Any]):
    """A block that no list of the study names would pass through no stage."""
    learners: set[str] = set()
    online: set[str] = set()
    compressors: set[str] = set()
    for study in studies:
        s = study["study"]
        learners |= {*s["learners"]}
        online |= {*s["learned"]}
        compressors |= {*s["compressors"], *s["chains"]["then"]}
    methods = {path.stem for path in (ROOT / "params/train").glob("*.yaml")}
    assert learners == methods
    assert online == {path.stem for path in (ROOT / "params/learn").glob("*.yaml")}
    methods = {path.stem for path in (ROOT / "params/compress").glob("*.yaml")}
    assert compressors == methods
