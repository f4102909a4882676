"""Try every case and print a table: ``python -m tests.hazards [--only WORD]``."""
# ruff: noqa: T201, the lines of a command

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.hazards.case import Case
from tests.hazards.every import every
from tests.hazards.project import prepare, tried

HEAD = ("kind", "door", "bad", "refused in one line", "others", "neighbours", "passed")
STATES = ("False, True", "False, False", "True, True", "True, False")


def main() -> int:
    """Print each case that does not hold, then the table.

    Returns:
        The exit code: 1 if a case does not hold.
    """
    options = argparse.ArgumentParser(prog="python -m tests.hazards")
    options.add_argument("--only", default="", help="cases that say this")
    options.add_argument("--every", type=int, default=1, help="one of so many")
    given = options.parse_args()
    cases = [case for case in every() if given.only in str(case)][:: given.every]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)  # one kind of case is tried by a user without rights
        prepared = prepare(place / "prepared")
        wrong = _all(cases, prepared, place)
    tally: Counter[tuple[str, str, str]] = Counter()
    for case, words in zip(cases, wrong, strict=True):
        tally[case.kind, case.door.name, f"{case.passes}, {not words}"] += 1
    _table(tally)
    failed = sum(map(bool, wrong))
    seconds = time.monotonic() - began
    print(f"{len(cases)} cases, {failed} do not hold, {seconds:.0f} s")
    return int(failed > 0)


def _all(cases: list[Case], prepared: Path, place: Path) -> list[str]:
    """What does not hold of each case, tried by one process a core."""
    cores = len(os.sched_getaffinity(0))
    pipes = []
    for first in range(cores):
        listen, say = os.pipe()
        if os.fork() == 0:  # what is imported here is not imported again
            os.close(listen)
            with os.fdopen(say, "w", buffering=1) as pipe:
                for case in cases[first::cores]:
                    words = tried(case, prepared, place)
                    words = words.encode("ascii", "backslashreplace").decode()[:500]
                    pipe.write(f"{words}\n")
                    if words:
                        print(f"{str(case)!a:.100}: {words}", flush=True)
            os._exit(0)
        os.close(say)
        pipes.append(os.fdopen(listen))
    wrong = [""] * len(cases)
    for first, pipe in enumerate(pipes):
        with pipe:
            wrong[first::cores] = pipe.read().splitlines()
        os.wait()
    return wrong


def _table(tally: "Counter[tuple[str, str, str]]") -> None:
    """A row for each kind and door, and one for all."""
    rows: list[tuple[str, ...]] = [HEAD]
    total = [0, 0, 0, 0, 0]
    for kind, door in dict.fromkeys((kind, door) for kind, door, _ in tally):
        refused, others, passed, failed = (tally[kind, door, s] for s in STATES)
        numbers = [refused + others, refused, others, passed + failed, passed]
        total = [a + b for a, b in zip(total, numbers, strict=True)]
        rows.append((kind, door, *map(str, numbers)))
    rows.append(("all", "", *map(str, total)))
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        print("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
