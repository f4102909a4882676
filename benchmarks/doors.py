"""Kill runs of the graph at random moments: ``python -m benchmarks.doors``.

A small study runs from nothing in a clone of this repository, by each door:
`dvc repro`, `make run`, the flow, and the flow with a Dask worker in a clone of its
own. At a random moment SIGKILL ends either the whole tree of processes or one of them,
whose children then have to end by themselves. The run is started again by the same
door. It must end with the dvc.lock and the bytes of an undisturbed run, change nothing
else that git sees, and leave no process and no temporary file.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.clones import END, FLOW, Place, all_gone
from benchmarks.kills import below
from tasks.artifacts.files import read_json, write_json
from tests.flows.dasks import Dasks, dasks

Victims = Callable[[Path, int], list[int]]


def tree(_: Path, run: int) -> list[int]:
    """A run and all processes below it."""
    return [run, *below(run)]


def alone(pattern: str) -> Victims:
    """The process of a run whose command line begins so; its children are not hit."""

    def victims(_: Path, run: int) -> list[int]:
        return [p for p in (run, *below(run)) if re.match(pattern, command_line(p))][:1]

    return victims


def warm(folder: Path, _: int) -> list[int]:
    """The server that forks the stages of a clone; it is below no run."""
    servers = {}
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            mine = f"PYTHONPATH={folder}\0".encode() in path.read_bytes()
            number = int(path.parent.name)
            if mine and "tasks.warm.server" in command_line(number):
                servers[number] = int(path.with_name("stat").read_text().split()[3])
        except OSError:  # gone, or somebody else's
            continue
    return [number for number, parent in servers.items() if parent not in servers]


def warm_child(folder: Path, run: int) -> list[int]:
    """A stage that the server forked."""
    return [child for server in warm(folder, run) for child in below(server)][:1]


@dataclass(frozen=True)
class Door:
    """A way to run the graph, and whom a kill meets.

    Attributes:
        command: What is started.
        victims: Which processes are killed, given the clone and the run.
    """

    command: tuple[str, ...]
    victims: Victims = tree


REPRO = ("python", "-m", "dvc", "repro")
MAKE = ("make", "-o", "setup", "PY=python", "run")
DOORS = {
    "dvc repro, its tree": Door(REPRO),
    "dvc repro alone": Door(REPRO, alone(r"\S*python\S* -m dvc repro")),
    "make run, its tree": Door(MAKE),
    "make run, its dvc alone": Door(MAKE, alone(r"\S*python\S* \S*dvc repro")),
    "flow, its tree": Door(FLOW),
    "flow alone": Door(FLOW, alone(r"\S*python\S* -m flows")),
    # light stages are not forked by it
    "warm server": Door(REPRO, warm),
    "warm server's child": Door(REPRO, warm_child),
}
WORKER = "Dask worker, its tree"


@dataclass(frozen=True)
class Kill:
    """What became of one kill.

    Attributes:
        study: `smoke` on one policy, or the same with light stages.
        door: Who was killed.
        after_seconds: When, since the start of the run.
        stages_recorded: Of the study, in dvc.lock at that moment.
        processes_ended_after_seconds: How long children outlived it.
        mended: What had to be run before the next start, as its refusal said.
        again_seconds: How long the next run took.
    """

    study: str
    door: str
    after_seconds: float
    stages_recorded: int
    processes_ended_after_seconds: float
    mended: str
    again_seconds: float


def command_line(pid: int) -> str:
    """What a process was started with; empty where it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    return words.replace("\0", " ")


def kill(name: str, place: Place, moment: float) -> Kill | None:
    """Run from nothing, kill, run again, and check.

    Args:
        name: A door of `DOORS`.
        place: Where.
        moment: Seconds after which the kill comes.

    Returns:
        What became of it; None where the run had ended before.
    """
    door = DOORS[name]
    place.forget()
    run = place.start(*door.command)
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        victims = door.victims(place.folder, run.pid)
        for process in victims:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if victims:
            if run.pid not in victims:  # it ends, or goes on without them
                run.wait(END)
            gone = all_gone(place.folder)
            run.communicate()
            return outcome(name, place, moment, door.command, gone)
        run.communicate()
    return None


def kill_worker(
    place: Place, cluster: Dasks, clone: Path, moment: float
) -> Kill | None:
    """As `kill`, with a worker as victim; another takes its place at once."""
    command = (*FLOW, "--dask", cluster.address)
    place.forget()
    run = place.start(*command)
    try:
        run.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        child = cluster.workers.pop()
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        gone = all_gone(clone)
        cluster.worker(clone)
        run.communicate(timeout=END)
        return outcome(WORKER, place, moment, command, gone)
    return None


def outcome(
    name: str, place: Place, moment: float, command: Sequence[str], gone: float
) -> Kill:
    """Run again after a kill, and check."""
    recorded, began = place.recorded(), time.monotonic()
    mended = place.again(command)
    seconds = round(time.monotonic() - began, 1)
    place.check()
    return Kill(place.study, name, round(moment, 1), recorded, gone, mended, seconds)


def measure(
    kills: int, only: str, say: Callable[[str], None], *, light: bool, seed: int
) -> Any:
    """Kill at each door as often as it is said, and write down what became of it.

    Args:
        kills: A door.
        only: What a door's name must contain.
        say: Called with a line a kill.
        light: Whether stages are light ones.
        seed: Of the moments.
    """
    chance = random.Random(seed)  # noqa: S311
    done: list[Kill] = []
    with tempfile.TemporaryDirectory() as top:
        place = Place(Path(top, "clone"), light=light)

        def often(attempt: Callable[[float], Kill | None]) -> None:
            count = 0
            while count < kills:
                made = attempt(chance.uniform(0.2, place.seconds))
                if made:
                    count += 1
                    done.append(made)
                    say(str(made))

        for name in [name for name in DOORS if only in name]:
            often(lambda moment, name=name: kill(name, place, moment))  # type: ignore[misc]
        if only in WORKER:
            place = Place(Path(top, "driver"), light=light, remote=Path(top, "store"))
            clone = Path(top, "worker")
            place.run("git", "clone", "-q", ".", str(clone))
            shutil.copy(place.folder / "environment.json", clone)
            with dasks(Path(top, "logs")) as cluster:
                cluster.worker(clone)
                often(lambda moment: kill_worker(place, cluster, clone, moment))
    return [asdict(kill) for kill in done]


def main() -> None:
    """Measure, and add the figures to those beside this file."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.doors")
    options.add_argument("--kills", type=int, default=10, help="a door, >= 1")
    options.add_argument("--only", default="", help="a part of doors' names")
    options.add_argument("--seed", type=int, default=0, help="of the moments")
    options.add_argument("--light", action="store_true", help="stages that only wait")
    options.add_argument(
        "--out", type=Path, default=Path(__file__).with_suffix(".json")
    )
    given = options.parse_args()
    before = read_json(given.out, "", list) if given.out.exists() else []
    done = measure(given.kills, given.only, print, light=given.light, seed=given.seed)
    write_json(given.out, before + done)


if __name__ == "__main__":
    main()
