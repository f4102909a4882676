"""dvc.lock and dvc.yaml: cut, in conflict, gone; and the same as a commit has them."""

import subprocess
from collections.abc import Iterator
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

LOCK, GRAPH_FILE = Path("dvc.lock"), Path("dvc.yaml")
FLOWS = Door("flows", command("flows", "--local", "code"))
STUDY = Door("flows.study", program("flows.study", "smoke", "--local"))
STAGE = {
    "cmd": "python -m tasks.code",
    "deps": [{"path": "params.yaml", "hash": "md5", "md5": "0" * 32, "size": 1}],
    "outs": [{"path": "data/code", "hash": "md5", "md5": "0" * 28 + ".dir", "size": 1}],
}
NAMES = ("code", "generate@pendulum_mixture", "train@pendulum_mixture-bc", "report")
LAST = "profile@pendulum_mixture-bc"
WHOLE = yaml.safe_dump(
    {"schema": "2.0", "stages": dict.fromkeys(NAMES, STAGE)}, sort_keys=False
)
LINES = WHOLE.splitlines(keepends=True)
CONFLICT = f"<<<<<<< HEAD\n{WHOLE}=======\n{WHOLE}>>>>>>> other\n"


def committed(then: Action) -> Action:
    """Commit a whole dvc.lock, then do something to it."""

    def spoil() -> None:
        LOCK.write_text(WHOLE, "utf-8")
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        for line in (("add", "dvc.lock"), (*who, "commit", "-qm", "lock")):
            subprocess.run(["git", *line], check=True)
        then()

    return spoil


def without(name: str) -> str:
    """A lock that lost a stage, whole otherwise."""
    content = yaml.safe_load(WHOLE)
    del content["stages"][name]
    return yaml.safe_dump(content, sort_keys=False)


BAD: dict[str, Action] = {
    **{f"cut at {share:.0%}": cut(LOCK, share) for share in (0.05, 0.3, 0.6, 0.98)},
    "cut after a stage": text(LOCK, "".join(LINES[: len(LINES) // 2])),
    "a stage less": text(LOCK, without("code")),
    "its last stage less": text(LOCK, without("report")),
    "conflict markers": text(LOCK, CONFLICT),
    "gone": LOCK.unlink,
    "empty": text(LOCK, ""),
    "a list": text(LOCK, "[]\n"),
    "a word": text(LOCK, "stages\n"),
    "no UTF-8": text(LOCK, b"\xff\xfe"),
    "stages that are null": text(LOCK, "schema: '2.0'\nstages:\n"),
    "stages that are a list": text(LOCK, "schema: '2.0'\nstages: []\n"),
    "another schema": text(LOCK, WHOLE.replace("2.0", "9.0")),
    "a tab": text(LOCK, WHOLE.replace("  cmd", "\tcmd")),
}
GRAPHS = {
    "gone": GRAPH_FILE.unlink,
    "empty": text(GRAPH_FILE, ""),
    "a list": text(GRAPH_FILE, "[]\n"),
    "cut": cut(GRAPH_FILE, 0.5),
    "conflict markers": text(GRAPH_FILE, CONFLICT),
    "no stages": text(GRAPH_FILE, "stages: {}\n"),
}


def cases() -> Iterator[Case]:
    """At the doors that open the graph."""
    for name, spoil in BAD.items():
        for door in (GRAPH, FLOWS, STUDY):
            yield Case("locks", f"dvc.lock: {name}", committed(spoil), door)
    for name, spoil in GRAPHS.items():
        for door in (GRAPH, FLOWS):
            yield Case("locks", f"dvc.yaml: {name}", committed(spoil), door)
    entries = yaml.safe_load(WHOLE)["stages"]
    more = yaml.safe_dump({"schema": "2.0", "stages": {**entries, LAST: STAGE}})
    for door in (GRAPH, CHECK):
        yield Case("locks", "as committed", committed(nothing), door, True)
        longer = committed(text(LOCK, more))
        yield Case("locks", "a stage more", longer, door, True)
        yield Case("locks", "never a dvc.lock", nothing, door, True)
