"""Parameters that the check accepts are run: ``python -m tests.hazards.accepted``.

A random sample, always the same, of the mutations of ``tests/code/test_mutations.py``
that are not refused before a study begins. The mutated block is put into the smoke
study of its method, whole numbers no larger than that study's, and its own stage runs.
What must hold: it runs, or its stage refuses it in one line and writes no file.
"""
# ruff: noqa: T201, the lines of a command

import argparse
import copy
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.fields import shown
from tasks.artifacts.makers import MAKERS
from tests.code.test_mutations import KEYS, STUDIES, VALUES, refused
from tests.hazards import project
from tests.hazards.case import Case, Door, command

SECONDS = 900  # a case may take on a busy machine
MOST = 32  # a whole number of a method that no smoke study has
SMALL = {"updates": 20, "snapshots": 2, "batch": 16}  # of every study
SMOKE = [name for name in STUDIES if name.endswith("smoke")]
KINDS = (
    *(("value", value) for value in VALUES),
    *(("key", key) for key in KEYS),
    ("gone", None),
)
Way = tuple[Any, ...]
Command = tuple[str, list[str]]  # a module and its arguments
Mutation = tuple[str, Way, tuple[str, Any]]  # of a study, its place and kind
ALONE = ("train", "weighting", "measure")  # stages that read a dataset alone
EARLY = ("compress", "learning")  # that read a policy too; others read its file
LATE = ("train", "compress", "export")


@cache
def study(name: str) -> Any:
    """The composed parameters of a study."""
    return yaml.safe_load(composed([f"study={name}"], project.ROOT / "params"))


def ways(value: Any, way: Way = ()) -> Iterator[Way]:
    """The way to every place of a block."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield (*way, key)
        if isinstance(inner, dict | list):
            yield from ways(inner, (*way, key))


def at(params: Any, way: Way) -> Any:
    """What stands at a place."""
    for key in way:
        params = params[key]
    return params


def mutated(params: Any, way: Way, kind: tuple[str, Any]) -> Any:
    """A copy with one place mutated, as the test of mutations does it."""
    changed = copy.deepcopy(params)
    block, key = at(changed, way[:-1]), way[-1]
    what, value = kind
    if what == "value":
        block[key] = value
    elif what == "gone":
        del block[key]
    elif isinstance(block, list):
        block.append(block[key])
    else:
        block[value] = block.pop(key)
    return changed


def accepted(count: int) -> Iterator[Mutation]:
    """Mutations that the check does not refuse, drawn from those of all studies."""
    drawn = [
        (name, way, kind)
        for name in STUDIES
        for way in ways(study(name))
        for kind in KINDS
    ]
    random.Random(0).shuffle(drawn)  # noqa: S311
    for name, way, kind in drawn:
        same = kind[0] == "value" and shown(at(study(name), way)) == shown(kind[1])
        if not same and not refused(mutated(study(name), way, kind)):
            yield name, way, kind
            count -= 1
        if not count:
            return


def capped(value: Any, smoke: Any) -> Any:
    """A block whose whole numbers are no larger than the smoke study's, or three."""
    if isinstance(value, dict):
        inner = smoke if isinstance(smoke, dict) else {}
        return {key: capped(part, inner.get(key)) for key, part in value.items()}
    if isinstance(value, list):
        inner = smoke if isinstance(smoke, list) and smoke else [None]
        return [capped(v, inner[min(k, len(inner) - 1)]) for k, v in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool):
        whole = isinstance(smoke, int) and not isinstance(smoke, bool)
        return min(value, max(smoke, 3) if whole else MOST)
    return value


def peers(group: str, block: Any) -> Iterator[tuple[str, str]]:
    """Smoke studies with a block of the same method, and its name there."""
    for name in SMOKE:
        for other, theirs in (study(name).get(group) or {}).items():
            if _target(theirs) == _target(block):
                yield name, other


def _target(block: Any) -> Any:
    """The class of a method's block; of a dataset's that of its generator."""
    return (block.get("generate") or block).get("_target_")


def transplanted(name: str, way: Way, kind: tuple[str, Any]) -> tuple[str, str, Any]:
    """The mutation in a smoke study.

    Returns:
        The smoke study, the name of the block in it, and its parameters.
    """
    changed, group = mutated(study(name), way, kind), way[0]
    own = name if name in SMOKE else "smoke"
    if group == "study" or len(way) < 2 or way[1] not in changed[group]:
        small = copy.deepcopy(study(own)) if name != own else changed
        small[group] = capped(changed[group], study(own)[group])
        return own, "", small
    block = changed[group][way[1]]
    host, there = next(peers(group, block), (own, way[1]))
    small = copy.deepcopy(study(host))
    small[group][there] = capped(block, small[group].get(there))
    return host, there, small


def doors(params: Any, group: str, name: str) -> list[Command]:
    """The command of a block's own stage, after those that make what it reads."""
    if group in MAKERS:
        return _made(params, name)
    if group == "bed":
        return [*_needed(params["bed"][name]), ("tasks.beds", ["--bed", name])]
    lists = params["study"]
    dataset, learners = lists["datasets"][0], lists["learners"]
    learner = next((p for p in lists["policies"] if p in learners), learners[0])
    variant = name if group == "compress" else lists["compressors"][0]
    policy = ["--dataset", dataset, "--learner", learner]
    commands = {
        "train": _train(dataset, name if group == "train" else learner),
        "weighting": ("tasks.weigh", ["--dataset", dataset, "--weighting", name]),
        "measure": ("tasks.measure", ["--dataset", dataset]),
        "compress": ("tasks.compress", [*policy, "--compressor", variant]),
        "export": ("tasks.export", [*policy, "--variant", variant]),
        "estimate": ("tasks.estimate", [*policy, "--estimator", name]),
        "profile": ("tasks.profile", policy),
        "returns": ("tasks.evaluate", [*policy, "--variant", variant]),
        "learning": ("tasks.evaluate.learning", policy),
    }
    stage = name if group == "evaluate" else "train" if group == "study" else group
    before = () if stage in ALONE else ("train",) if stage in EARLY else LATE
    steps = [commands[key] for key in dict.fromkeys((*before, stage))]
    read = lists["measured"] if stage == "measure" else [dataset]
    return [*(c for made in read for c in _made(params, made)), *steps]


def _made(params: Any, dataset: str) -> list[Command]:
    """The commands that make a dataset."""
    block = params[_maker(params, dataset)][dataset]
    first: list[Command] = _made(params, block["source"]) if "source" in block else []
    if "attacker" in block:
        first.append(_train(block["source"], block["attacker"]))
    return [*first, ("tasks.generate", ["--dataset", dataset])]


def _needed(bed: Any) -> list[Command]:
    """The commands that make what a bed reads."""
    dataset, policies = (Path(bed[f"needs_{k}"]).parts for k in ("dataset", "policies"))
    first: list[Command] = []
    if len(dataset) > 1:
        made = dataset[-1].removesuffix("-v0")
        first.append(("tasks.generate", ["--dataset", made]))
    if len(policies) > 1:
        first.append(_train(*policies[-2:]))
    return first


def _maker(params: Any, dataset: str) -> str:
    """The group a dataset is made by."""
    return next(group for group in MAKERS if dataset in params[group])


def _train(dataset: str, policy: str) -> Command:
    """The command that trains a policy."""
    learner, _, weighting = policy.partition("-")
    more = ["--weighting", weighting] if weighting else []
    return "tasks.train", ["--dataset", dataset, "--learner", learner, *more]


class Projects:
    """Smoke studies whose stages run once, when the first case needs them."""

    def __init__(self, place: Path) -> None:
        project.SECONDS = SECONDS
        project.warm()
        self.place = place
        self.left: dict[tuple[Any, ...], Path] = {}

    def after(self, host: str, steps: list[Command]) -> Path:
        """A project of a smoke study in which some commands have run."""
        key = (host, *((module, *arguments) for module, arguments in steps))
        if key not in self.left:
            folder = Path(tempfile.mkdtemp(dir=self.place)) / "project"
            if not steps:
                project.begin(folder, small(study(host)))
            else:
                project.copied(self.after(host, steps[:-1]), folder)
                module, arguments = steps[-1]
                project.knock(Door(module, command(module, *arguments)), folder)
            self.left[key] = folder
        return self.left[key]


def small(params: Any) -> Any:
    """Parameters of a study that trains next to nothing."""
    changed = copy.deepcopy(params)
    changed["study"] |= {k: min(v, changed["study"][k]) for k, v in SMALL.items()}
    return changed


def tried(projects: Projects, case: Mutation) -> str:
    """What became of a mutation, in words that begin with one of the outcomes."""
    host, name, params = transplanted(*case)
    if line := refused(params):
        return f"not tried: refused once its sizes are capped: {line:.200}"
    params, group = small(params), case[1][0]
    if group in ("claim", "report"):
        return "not tried: its stage reads all others"
    if group == "train" and name not in study(host)["train"]:
        params["study"]["learners"] = [name]
    try:
        *before, (module, arguments) = doors(params, group, name)
        prepared = projects.after(host, before)
    except (RuntimeError, StopIteration, KeyError) as error:
        return f"not tried: {error!r:.200}"
    folder = Path(tempfile.mkdtemp(dir=projects.place)) / "project"
    project.copied(prepared, folder)

    def spoil() -> None:
        text = yaml.safe_dump(params, sort_keys=False)
        Path("params.yaml").write_text(text, "utf-8")

    door = Door(module, command(module, *arguments))
    ending = project.attempt(Case("accepted", str(case[1]), spoil, door), folder)
    written = [name for name in ending.touched if (folder / name).is_file()]
    lines = ending.said.strip().splitlines() or ["nothing"]
    if ending.code == 0:
        return f"ran: {module}"
    refusals = [line for line in lines if line.startswith("refused: ")]
    if ending.code == 1 and len(refusals) == 1 and not written:
        return f"refused by its stage: {module}: {lines[-1]:.200}"
    return f"FAILED: {module}: exit {ending.code}, wrote {written}: {lines[-1]:.300}"


def main() -> int:
    """Try the sample, print what became of it, and return 1 if one failed, else 0."""
    options = argparse.ArgumentParser(prog="python -m tests.hazards.accepted")
    options.add_argument("--count", type=int, default=200, help="mutations drawn")
    options.add_argument("--from", type=int, default=0, dest="first", help="number")
    options.add_argument("--only", default="", help="groups that begin so")
    given = options.parse_args()
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        projects = Projects(Path(place))
        for number, case in enumerate(accepted(given.count)):
            name, way, kind = case
            if number < given.first or not str(way[0]).startswith(given.only):
                continue
            outcome = tried(projects, case)
            tally[outcome.partition(":")[0]] += 1
            where = ".".join(map(str, way))
            print(f"{number} {name} {where}, {kind[0]} {shown(kind[1])}: {outcome}")
            sys.stdout.flush()
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(tally.items())))
    return int(tally["FAILED"] > 0)


if __name__ == "__main__":
    sys.exit(main())
