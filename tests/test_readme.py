"""The README says what there is: targets, methods, studies, and the study's answer."""

import json
import re
import shlex
from collections import Counter

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.code import methods
from tasks.code.check import check
from tests.house import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def row(head: str) -> set[str]:
    """Names in code style of the table's rows that begin with a text."""
    rows = [line for line in README.splitlines() if line.startswith(f"| {head}")]
    assert rows, head
    return {name for line in rows for name in re.findall(r"`(\w+)`", line)}


def test_every_target_is_one_of_the_makefile():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)\b", README, re.MULTILINE))
    assert len(named) > 10
    assert named <= set(targets)


@pytest.mark.parametrize(
    ("head", "room", "left_out"),
    [
        ("learners, ", "train", set()),
        ("learners that", "learn", set()),
        ("compressors", "compress", {"float32"}),
        ("worlds", "worlds", {"gym", "logged"}),
        ("samplers", "export", {"feedforward"}),
    ],
)
def test_the_table_of_what_is_in_it_is_whole(head: str, room: str, left_out: set[str]):
    assert row(head) == set(methods(room)) - left_out


def test_every_study_is_named():
    section = README.split("| study | what it looks at |")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.count("|") > 2]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    files = {path.stem for path in (ROOT / "params/study").glob("*.yaml")}
    smoke = {name for name in files if name.endswith("_smoke")}
    assert named == files - smoke


SWEEPS = (ROOT / "docs/sweeps.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r'make study NAME=(\w+) SET="(.+)"', README + SWEEPS)


@pytest.mark.parametrize(("study", "overrides"), sorted(set(COMMANDS)))
def test_a_study_of_other_parameters_is_one(study: str, overrides: str):
    check(yaml.safe_load(composed([f"study={study}", *shlex.split(overrides)])))


def test_the_answer_is_the_studys():
    numbers = json.loads((ROOT / "data/report/metrics.json").read_text())
    ends = (numbers[f"ship_{key}"] for key in ("score", "low", "high"))
    score, low, high = (f"{end:.0f}" for end in ends)
    size, ratio = numbers["ship_bytes"] / 1000, numbers["ship_ratio"]
    said = (
        f"*Ship {numbers['ship']}: {score} [{low}, {high}] of 100 at {size:.1f} kB, "
        f"{ratio:.2f}x of its float32, HELD.*"
    )
    assert said in README


def test_what_became_of_the_claims_is_counted():
    verdicts = Counter(
        json.loads(path.read_text())["verdict"]
        for path in (ROOT / "data/claims").glob("*.json")
    )
    claims = len(list((ROOT / "params/claims").glob("*.yaml")))
    said = (
        f"Of {claims} claims {verdicts['shown']} are shown, {verdicts['not shown']} "
        f"not shown, {verdicts['bed refused']} had their bed refused, and "
        f"{claims - verdicts.total()} have not run yet."
    )
    assert said in README


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_line_is_a_paragraph():
    assert max(map(len, README.splitlines())) < 240, "break it"


def test_a_snippet_is_python():
    for block in re.findall(r"\n\n((?:    .*\n)+)", README):
        code = re.sub(r"^    ", "", block, flags=re.MULTILINE)
        if code.startswith("import "):
            compile(code, "README", "exec")
