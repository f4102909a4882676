"""What a clone's Makefile offers, read from the lines that `make help` shows.

A line says what a target does and how it is called, and is the only place that does:

    study: setup  ## another study: make study NAME=STUDY [SET="key=value ..."]

Such a variable becomes an argument of ``offcut study``. What has to be given stands by
its place, ``STUDY``; what stands in brackets, or is one of two (``|``), is an option,
``--set``. ``=1`` is a switch; a text that ends with dots takes several words, which
stand by their place, too, unless they are options of the form ``key=value``. A word in
capitals says what to name: a file, or what a folder of params/ lists (`KINDS`).
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLONE = ("Makefile", "dvc.yaml", "offcut", "flows", "tasks")  # what lies in one
LINE = re.compile(r"^([a-z][a-z-]*):.*?## (.*)$", re.MULTILINE)
VARIABLE = re.compile(
    r"""(?P<open>\[)?\b(?P<name>[A-Z]+)=
        (?P<value>"[^"]*"|[^\s\]|]*(\|[a-z0-9_]+)*)(?P<or>\|(?=[A-Z]+=))?|(?P<close>\])""",
    re.VERBOSE,
)
KINDS: Mapping[str, str] = {  # where the names of a kind are the files
    "STUDY": "params/study",
    "CLAIM": "params/claims",
    "DATASET": "params/dataset",
    "WORLD": "params/world",
    "TRAINED": "params/behaviors",
}
PAIR = "key="  # how the words of a text of overrides begin


@dataclass(frozen=True)
class Variable:
    """A variable that a target reads.

    Attributes:
        name: As make knows it, e.g. ``SET``.
        value: What stands behind ``=`` in the line, without quotes.
        needed: Whether it has to be given.
    """

    name: str
    value: str
    needed: bool

    @property
    def option(self) -> str:
        """The option's name, e.g. ``--set``."""
        return f"--{self.name.lower()}"

    @property
    def switch(self) -> bool:
        """Whether it is on or off."""
        return self.value == "1"

    @property
    def shown(self) -> str:
        """What stands for its value in help, e.g. ``STUDY`` or ``KEY=VALUE``."""
        word = (self.value.split() or [""])[0]
        return word.upper() if word.isupper() or self.overrides else self.name

    @property
    def overrides(self) -> bool:
        """Whether its words are ``key=value``."""
        return self.value.startswith(PAIR)

    @property
    def several(self) -> bool:
        """Whether it takes several words."""
        return self.value.endswith("...")

    @property
    def placed(self) -> bool:
        """Whether it is known by its place."""
        return self.needed or (self.several and not self.overrides)

    @property
    def choices(self) -> tuple[str, ...]:
        """The values to choose from, where the line lists them."""
        return tuple(self.value.split("|")) if "|" in self.value else ()

    def text(self, words: Sequence[str]) -> str:
        """What make is given for the words of a command line.

        Overrides are split again as a shell would, so they are quoted as for one.
        """
        return shlex.join(words) if self.overrides else " ".join(words)


@dataclass(frozen=True)
class Target:
    """A target of the Makefile that people call.

    Attributes:
        name: E.g. ``study``.
        help: What it does.
        call: How make is called for it, e.g. ``make study NAME=STUDY``.
        variables: What it reads, in the order of the line.
    """

    name: str
    help: str
    call: str
    variables: tuple[Variable, ...]


def is_clone(folder: Path) -> bool:
    """Whether a folder is a clone of Offcut."""
    return all((folder / name).exists() for name in CLONE)


def targets(clone: Path) -> dict[str, Target]:
    """The targets of a clone that `make help` lists, but ``help`` itself, by name.

    Args:
        clone: Its folder.
    """
    lines = LINE.findall((clone / "Makefile").read_text(encoding="utf-8"))
    return {name: target(name, text) for name, text in lines if name != "help"}


def target(name: str, text: str) -> Target:
    """A target, by the text behind ``##``."""
    call = f"make {name}"
    said, _, rest = text.partition(f": {call}")
    variables, bracket, either = [], False, False
    for found in VARIABLE.finditer(rest):
        if found["close"]:
            bracket = False
            continue
        bracket = bracket or bool(found["open"])
        variables.append(
            Variable(
                found["name"],
                found["value"].strip('"'),
                needed=not (bracket or either or found["or"]),
            )
        )
        either = bool(found["or"])
    return Target(name, said, f"{call}{rest}", tuple(variables))


def said(clone: Path) -> frozenset[str]:
    """The variables that the Makefile takes from people, in any target."""
    text = (clone / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"^override SAID := (.*)$", text, re.MULTILINE)
    return frozenset(found[1].split() if found else ())
