"""Which command brings what a comparison lacks of a revision.

What lacks for the same reason and comes by the same command is said in one line, so the
command names one stage only where one output alone is missing.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tasks.compare import Missing, Wanted

LETTERS = "ABC"  # by which `make compare` takes revisions; more of them by REVS


@dataclass(frozen=True)
class Absent:
    """An output that could not be laid out.

    Attributes:
        out: The output.
        why: In words.
        pull: DVC's command that may fetch it; empty if none does.
        recorded: Whether the revision's dvc.lock names it, so that it was once made.
    """

    out: Wanted
    why: str
    pull: str = ""
    recorded: bool = True


def again(names: Sequence[str]) -> str:
    """The command that compares revisions and first makes what they lack.

    Args:
        names: The revisions, the baseline first.
    """
    told = [f"{a}={shlex.quote(b)}" for a, b in zip(LETTERS, names, strict=False)]
    if len(names) > len(LETTERS):
        told = [f"REVS={shlex.quote(' '.join(names))}"]
    return " ".join(["make compare", *told, "HERE=1"])


def of_commit(
    absent: Sequence[Absent], there: str, make: str, elsewhere: str
) -> Iterator[Missing]:
    """What a commit lacks, each with its command.

    Args:
        absent: What could not be laid out.
        there: The command that brings the commit into the workspace.
        make: The command that makes its results here.
        elsewhere: Why what is recorded lies in no cache here, empty if nothing says so.
    """
    for one in absent:
        why = f"{elsewhere}, {one.why}" if elsewhere and one.recorded else one.why
        stage = f" {shlex.quote(one.out.stage)}" if len(absent) == 1 else ""
        command = f"{there} && {one.pull}{stage}" if one.pull else make
        yield Missing(one.out.out, why, command)


def of_workspace(absent: Iterable[Wanted], held: Iterable[Wanted]) -> Iterator[Missing]:
    """What the workspace lacks, each with its command.

    Args:
        absent: Outputs that are not there.
        held: Those of them that DVC's cache has.
    """
    absent, held = list(absent), list(held)
    for out in absent:
        command = "dvc checkout" if out in held else "make run"
        if len(absent) == 1:
            command = command.replace("make run", "dvc repro")
            command += f" {shlex.quote(out.stage)}"
        yield Missing(out.out, "not in the workspace", command)
