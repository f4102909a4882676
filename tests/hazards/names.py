"""Names that would leave their folder, or the shell's word, were they believed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.hazards.case import (
    CHECK,
    DATASET,
    GRAPH,
    REPORT,
    TRAIN,
    Action,
    Case,
    Door,
    command,
    nothing,
    program,
)
from tests.hazards.edits import parameter

BAD = {
    "a command after ;": "a;touch pwned",
    "a substituted command": "$(touch pwned)",
    "backticks": "`touch pwned`",
    "a pipe": "a|touch pwned",
    "an ampersand": "a&touch pwned",
    "a way up": "../../x",
    "an absolute path": "/etc/offcut",
    "a folder": "a/b",
    "an option": "--help",
    "a blank": "a b",
    "a line": "a\nb",
    "nothing": "",
    "a dot": ".",
    "no ASCII": "é",
    "an end of text": "a\0b",
    "a glob": "a*",
    "5,000 letters": "x" * 5000,
    "65 letters": "x" * 65,
}
GOOD = {"one letter": "a", "64 letters": "x" * 64, "all kinds": "Ab0_c-9"}
# the only option of a command that a name is given by
OPTIONS = {
    "generate": ("--dataset",),
    "train": ("--dataset", "--learner"),
    "learn": ("--dataset", "--learner"),
    "compress": ("--dataset", "--learner", "--compressor"),
    "export": ("--dataset", "--learner", "--variant"),
    "evaluate": ("--dataset", "--learner", "--variant"),
    "profile": ("--dataset", "--learner"),
    "estimate": ("--dataset", "--learner", "--estimator"),
    "weigh": ("--dataset", "--weighting"),
    "measure": ("--dataset",),
    "beds": ("--bed",),
    "claims": ("--claim",),
    "behaviors": ("--world",),
}
RIGHT = {
    "--dataset": DATASET,
    "--learner": "bc",
    "--compressor": "float32",
    "--variant": "float32",
}
LINES = ("/etc/passwd", "../../../etc", "", "x" * 5000, "$(touch pwned)", "nope")


def renamed(edit: Callable[[dict[str, Any]], None]) -> Action:
    """Rename things throughout params.yaml."""

    def spoil() -> None:
        file = Path("params.yaml")
        params = yaml.safe_load(file.read_text("utf-8"))
        edit(params)
        file.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")

    return spoil


def dataset(name: str) -> Action:
    """Give the dataset another name."""

    def edit(params: dict[str, Any]) -> None:
        params["dataset"] = {name: params["dataset"][DATASET]}
        params["study"] |= {"datasets": [name], "played": [name]}

    return renamed(edit)


def learner(name: str) -> Action:
    """Give the learner another name."""

    def edit(params: dict[str, Any]) -> None:
        params["train"] = {name: params["train"]["bc"]}
        params["study"] |= {"learners": [name], "policies": [name]}

    return renamed(edit)


def cases() -> Iterator[Case]:
    """In parameters and on command lines."""
    for words, name in BAD.items():
        for door in (CHECK, GRAPH):
            yield Case("names", f"dataset: {words}", dataset(name), door)
        generate = Door("generate", command("tasks.generate", f"--dataset={name}"))
        if "\0" not in name:
            yield Case("names", f"dataset: {words}", dataset(name), generate)
        yield Case("names", f"learner: {words}", learner(name), CHECK)
        study = parameter("study.name", name)
        for door in (CHECK, GRAPH):
            yield Case("names", f"study.name: {words}", study, door)
    for words, name in GOOD.items():
        door = Door("generate", command("tasks.generate", f"--dataset={name}"))
        for good in (CHECK, door):
            yield Case("names", f"dataset: {words}", dataset(name), good, True)
        for good in (CHECK, TRAIN, REPORT):
            spoil = parameter("study.name", name)
            yield Case("names", f"study.name: {words}", spoil, good, True)
    yield from command_lines()


def command_lines() -> Iterator[Case]:
    """One option wrong at a time."""
    for stage, options in OPTIONS.items():
        for option in options:
            for value in LINES:
                rest = [f"{o}={RIGHT.get(o, 'x')}" for o in options if o != option]
                line = [f"{option}={value}", *rest]
                door = Door(stage, command(f"tasks.{stage}", *line))
                name = f"{option}={value:.20}"
                yield Case("command lines", name, nothing, door)
    for value in LINES[:3]:  # slow doors: they compose studies and ask git
        for module in ("study", "claims", "compare"):
            more = [value, "workspace"] if module == "compare" else [value]
            door = Door(f"flows.{module}", program(f"flows.{module}", *more))
            yield Case("command lines", f"{value:.20}", nothing, door)
    for value in LINES:
        door = Door("flows", command("flows", "--local", value or "''"))
        yield Case("command lines", f"a stage {value:.20}", nothing, door)
        compose = program("tasks.artifacts.compose", f"study.seed={value}")
        yield Case("command lines", f"={value:.20}", nothing, Door("compose", compose))
