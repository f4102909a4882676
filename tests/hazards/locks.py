"""dvc.lock and dvc.yaml: cut, in conflict, gone; and the same as a commit has them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from tests.hazards.case import (
    CHECK,
    GRAPH,
    Action,
    Case,
    Door,
    command,
    nothing,
    program,
)
from tests.hazards.edits import cut, text
from tests.hazards.parameters import LAUGHS, MERGES

LOCK, GRAPH_FILE = Path("dvc.lock"), Path("dvc.yaml")
FLOWS = Door("flows", command("flows", "--local", "code"))
STUDY = Door("flows.study", program("flows.study", "smoke", "--local"))
LAST = "report"  # of the graph
MORE = """  another:
    cmd: echo
    outs:
    - path: data/another
      hash: md5
      md5: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      size: 1
"""


def edited(edit: Callable[[str], str]) -> Action:
    """Write what is made of the text of dvc.lock."""

    def spoil() -> None:
        LOCK.write_text(edit(LOCK.read_text("utf-8")), "utf-8")

    return spoil


def without(name: str) -> Callable[[str], str]:
    """The text of a lock that lost a stage, and is whole otherwise."""

    def edit(whole: str) -> str:
        content = yaml.safe_load(whole)
        del content["stages"][name]
        return yaml.safe_dump(content, sort_keys=False)

    return edit


def half(whole: str) -> str:
    """Whole lines, of the first half."""
    lines = whole.splitlines(keepends=True)
    return "".join(lines[: len(lines) // 2])


def conflict(whole: str) -> str:
    """As git leaves a conflict."""
    return f"<<<<<<< HEAD\n{whole}=======\n{whole}>>>>>>> other\n"


BAD: dict[str, Action] = {
    **{f"cut at {share:.0%}": cut(LOCK, share) for share in (0.05, 0.3, 0.6, 0.98)},
    "cut after a line": edited(half),
    "a stage less": edited(without("code")),
    "its last stage less": edited(without(LAST)),
    "conflict markers": edited(conflict),
    "gone": LOCK.unlink,
    "empty": text(LOCK, ""),
    "a list": text(LOCK, "[]\n"),
    "a word": text(LOCK, "stages\n"),
    "no UTF-8": text(LOCK, b"\xff\xfe"),
    "stages that are null": text(LOCK, "schema: '2.0'\nstages:\n"),
    "stages that are a list": text(LOCK, "schema: '2.0'\nstages: []\n"),
    "another schema": edited(lambda whole: whole.replace("2.0", "9.0")),
    "aliases that grow": text(LOCK, f"schema: '2.0'\n{LAUGHS}stages: *i\n"),
    "nested 100,000 times": text(LOCK, "[" * 100_000),
    "a tab": edited(lambda whole: whole.replace("  cmd", "\tcmd")),
}
GRAPHS = {
    "gone": GRAPH_FILE.unlink,
    "empty": text(GRAPH_FILE, ""),
    "a list": text(GRAPH_FILE, "[]\n"),
    "cut": cut(GRAPH_FILE, 0.5),
    "conflict markers": text(GRAPH_FILE, conflict("stages: {}\n")),
    "no stages": text(GRAPH_FILE, "stages: {}\n"),
    "aliases that grow": text(GRAPH_FILE, f"{LAUGHS}stages: *i\n"),
    "merges that grow": text(GRAPH_FILE, f"{MERGES}stages: *i\n"),
    "nested 100,000 times": text(GRAPH_FILE, "[" * 100_000),
}


def cases() -> Iterator[Case]:
    """At the doors that open the graph."""
    for name, spoil in BAD.items():
        for door in (GRAPH, FLOWS):
            yield Case("locks", f"dvc.lock: {name}", spoil, door)
    for name in ("cut after a line", "gone", "conflict markers"):
        yield Case("locks", f"dvc.lock: {name}", BAD[name], STUDY)
    for name, spoil in GRAPHS.items():
        for door in (GRAPH, FLOWS):
            yield Case("locks", f"dvc.yaml: {name}", spoil, door)
    for door in (GRAPH, CHECK):
        yield Case("locks", "as committed", nothing, door, True)
        longer = edited(lambda whole: whole + MORE)
        yield Case("locks", "a stage more", longer, door, True)
