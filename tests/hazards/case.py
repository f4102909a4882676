"""A bad input, or its legitimate neighbour, and the door it knocks at."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Action = Callable[[], Any]


@dataclass(frozen=True)
class Door:
    """A way into the project.

    Attributes:
        name: Of the column in the table.
        enter: What is done, with the project as current folder.
    """

    name: str
    enter: Action


@dataclass(frozen=True)
class Case:
    """One input at one door.

    Attributes:
        kind: Of the row in the table.
        name: What is wrong, in words.
        spoil: Makes it so, with the copy of the project as current folder.
        door: Where it knocks.
        passes: Whether it is a legitimate neighbour.
        loses_rights: Whether the door is entered as a user who may not write.
    """

    kind: str
    name: str
    spoil: Action
    door: Door
    passes: bool = False
    loses_rights: bool = False

    def __str__(self) -> str:
        """As pytest and the list of failures name it."""
        return f"{self.kind}: {self.name} at {self.door.name}"


def command(module: str, *arguments: str) -> Action:
    """Run the command of a module with a command line of its own."""

    def enter() -> None:
        sys.argv = [f"python -m {module}", *arguments]
        package = importlib.import_module(f"{module}.__main__")
        package.main()

    return enter


def program(module: str, *arguments: str) -> Action:
    """Run the function ``main`` of a module that is no package."""

    def enter() -> None:
        sys.argv = [f"python -m {module}", *arguments]
        importlib.import_module(module).main()

    return enter


def graph() -> None:
    """Open the graph as `make flow` does; nothing of it is started."""
    importlib.import_module("flows.placement").open_run()


def nothing() -> None:
    """Spoil nothing: the command line itself is the bad input."""


DATASET, LEARNER, VARIANT = "pendulum_mixture", "bc", "float32"
POLICY = ("--dataset", DATASET, "--learner", LEARNER)
CHECK = Door("check", command("tasks.code"))
GRAPH = Door("graph", graph)
GENERATE = Door("generate", command("tasks.generate", "--dataset", DATASET))
TRAIN = Door("train", command("tasks.train", *POLICY))
COMPRESS = Door("compress", command("tasks.compress", *POLICY, "--compressor", VARIANT))
EXPORT = Door("export", command("tasks.export", *POLICY, "--variant", VARIANT))
EVALUATE = Door("evaluate", command("tasks.evaluate", *POLICY, "--variant", VARIANT))
PROFILE = Door("profile", command("tasks.profile", *POLICY))
REPORT = Door("report", command("tasks.report"))
COMPOSE = Door("compose", program("tasks.artifacts.compose", "study=smoke"))
STAGES = (GENERATE, TRAIN, COMPRESS, EXPORT, EVALUATE, PROFILE, REPORT)
OUTPUTS = {
    "generate": f"data/datasets/{DATASET}-v0",
    "train": f"data/policies/{DATASET}/{LEARNER}",
    "compress": f"data/compressed/{DATASET}/{LEARNER}/{VARIANT}",
    "export": f"data/onnx/{DATASET}/{LEARNER}/{VARIANT}",
    "evaluate": f"data/evaluations/{DATASET}/{LEARNER}/{VARIANT}",
    "profile": f"data/profiles/{DATASET}/{LEARNER}/{VARIANT}",
    "report": "data/report",
}
