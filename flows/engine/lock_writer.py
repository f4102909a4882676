"""dvc.lock as text, one block a stage, so that recording a stage costs the same always.

DVC parses and writes the whole file after every stage, in place: a third of a second at
a hundred stages, and half a file where it was killed. Here the other stages' blocks are
kept as they stand, and the file is replaced in one step. The bytes are those of DVC.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvc.utils.serialize import dumps_yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_text

EMPTY = "schema: '2.0'\nstages:\n"


class LockFile:
    """Entries of the stages, in the file's order.

    Args:
        path: dvc.lock.
        order: Names of stages in the order ``dvc repro`` runs them. A stage that is new
            in the file comes after the last of its predecessors and of other graphs'
            stages there, so that the order does not depend on which stage ended first.
    """

    def __init__(self, path: Path, order: Sequence[str]) -> None:
        self.path = path
        self.order = {name: place for place, name in enumerate(order)}
        self.text: str | None = None  # as last read or written
        self.head, self.blocks, self.tail = EMPTY, dict[str, str](), ""

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Write a stage's entry; the caller holds DVC's repository lock.

        Args:
            name: The stage.
            entry: What DVC records of it, as plain values.

        Raises:
            RefusedError: If the file is no dvc.lock.
        """
        self._read()
        dumped: str = dumps_yaml({"stages": {name: entry}})
        block = dumped.partition("\n")[2]
        if name in self.blocks:
            self.blocks[name] = block
        else:
            items = list(self.blocks.items())
            items.insert(self._place(name), (name, block))
            self.blocks = dict(items)
        self.text = self.head + "".join(self.blocks.values()) + self.tail
        write_text(self.path, self.text)

    def _place(self, name: str) -> int:
        """The position of a new stage: after the last that runs before it.

        And after stages of other graphs: DVC adds what is new to them at the end.
        """
        mine = self.order[name]
        before = [
            place
            for place, other in enumerate(self.blocks)
            if self.order.get(other, -1) < mine
        ]
        return before[-1] + 1 if before else 0

    def _read(self) -> None:
        """Read the file again if another process has written it since."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        if text == self.text:
            return
        self.head, self.blocks, self.tail = split(text or EMPTY, self.path)


def split(text: str, path: Path) -> tuple[str, dict[str, str], str]:
    """Split the text of a dvc.lock into its stages.

    Args:
        text: What stands in the file.
        path: The file, for errors.

    Returns:
        The text before the stages; of each stage its text, by name; the text after
        them.

    Raises:
        RefusedError: If the text is no dvc.lock.
    """
    start = re.search(r"^stages:( \{\})?\n", text, re.MULTILINE)
    if not start:
        raise RefusedError(
            path,
            "stages",
            "none",
            "what DVC writes",
            f"it was cut off or edited; run: git checkout {path.name}",
        )
    head = text[: start.start()] + "stages:\n"
    body, tail = text[start.end() :], ""
    ends = re.search(r"^\S", body, re.MULTILINE)
    if ends:
        body, tail = body[: ends.start()], body[ends.start() :]
    blocks = {}
    # a key longer than 128 characters stands as "? key", its value after "  : "
    for block in re.split(r"^(?=  [^\s:])", body, flags=re.MULTILINE)[1:]:
        key = block.partition("\n")[0].strip().removeprefix("? ").removesuffix(":")
        blocks[key.strip("'\"")] = block  # DVC allows no quotes in names
    return head, blocks, tail
