"""The graph by groups of stages, from dvc.yaml as it is written.

A stage of dvc.yaml with ``foreach`` or ``matrix`` is one group, however many stages it
becomes. A folder below data/ that several groups write is a node too, as every reader
of it takes what any of them wrote. What is filled in, ``${...}``, stands for any text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts.strict_yaml import read_yaml

FILLED = re.compile(r"\$\{([\w.]+)\}")
LEFT_OUT = "code"  # the stage that all others read: lines from it would hide the rest


@dataclass(frozen=True)
class Node:
    """A group of stages, or a folder that several groups write.

    Attributes:
        name: Of the stage in dvc.yaml; of a folder its path.
        purpose: The stage's description, one line; empty of a folder.
        default: Whether the study of params.yaml has it.
        reads: The nodes before it whose outputs it reads, without those that follow
            from others.
        loop: Whether it also reads the folder that it writes.
    """

    name: str
    purpose: str
    default: bool
    reads: tuple[str, ...]
    loop: bool = False


def graph(root: Path) -> list[Node]:
    """The nodes, each after all that it reads.

    Where groups can read each other's outputs, as a dataset can be spoilt by what was
    trained on another one, the earlier in dvc.yaml is the one that is read.

    Args:
        root: The project.
    """
    stages: dict[str, Any] = dict(read_yaml(root / "dvc.yaml")["stages"])
    params = read_yaml(root / "params.yaml")
    del stages[LEFT_OUT]
    blocks = {name: stage.get("do", stage) for name, stage in stages.items()}
    outs = {name: [*_outs(block)] for name, block in blocks.items()}
    writers: dict[str, list[str]] = {}
    for name in blocks:
        for folder in dict.fromkeys(map(_folder, outs[name])):
            writers.setdefault(folder, []).append(name)
    folders = {folder: names for folder, names in writers.items() if len(names) > 1}
    last = {names[-1]: folder for folder, names in folders.items()}
    reads: dict[str, set[str]] = {}
    loops = set()
    for name, block in blocks.items():
        deps = [*_deps(root, name, block["deps"])]
        met = {
            other: {out for dep in deps for out in outs[other] if meet(dep, out)}
            for other in blocks
        }
        reads[name] = {other for other in reads if met.get(other)} - folders.keys()
        for folder, names in folders.items():
            read = [n for n in names if any(o.startswith(f"{folder}/") for o in met[n])]
            reads[name] -= {n for n in read if not _elsewhere(met[n], folder)}
            if read and name in names:
                loops.add(name)
            elif read and folder in reads:
                reads[name].add(folder)
        if name in loops:  # what it reads its folder's other writers stand on
            others = writers[_folder(outs[name][0])]
            reads[name] -= {
                other
                for other in reads[name]
                if any(
                    _reaches(n, other, reads, {}, alone=False)
                    for n in others
                    if n in reads and n != name
                )
            }
        if name in last:
            reads[last[name]] = set(folders[last[name]])
    default = {
        name: all(_value(params, axis) for axis in _axes(stage))
        for name, stage in stages.items()
    }
    return [
        Node(
            name,
            blocks[name]["desc"] if name in blocks else "",
            default.get(name, True),
            tuple(_direct(name, reads, default)),
            name in loops,
        )
        for name in reads
    ]


def _folder(out: str) -> str:
    """The folder below data/ that an output lies in."""
    return "/".join(out.split("/")[:2])


def _elsewhere(outs: set[str], folder: str) -> set[str]:
    """Outputs that lie in no such folder."""
    return {out for out in outs if not out.startswith(f"{folder}/")}


def meet(dep: str, out: str) -> bool:
    """Whether a dependency can hold, be, or lie in an output.

    Args:
        dep: A path of dvc.yaml; each ``${...}`` is any text.
        out: Likewise.
    """
    ours, theirs = Path(dep).parts, Path(out).parts
    return all(_alike(a, b) for a, b in zip(ours, theirs, strict=False))


def _alike(a: str, b: str) -> bool:
    """Whether two parts of paths can be the same text."""
    return bool(re.fullmatch(_pattern(a), b) or re.fullmatch(_pattern(b), a))


def _pattern(part: str) -> str:
    """A part of a path as a regular expression."""
    return ".+".join(map(re.escape, FILLED.sub("\0", part).split("\0")))


def _outs(block: Mapping[str, Any]) -> Iterator[str]:
    """Paths of outputs and metrics."""
    for out in [*block.get("outs", ()), *block.get("metrics", ())]:
        yield out if isinstance(out, str) else next(iter(out))


def _deps(root: Path, name: str, deps: Sequence[str]) -> Iterator[str]:
    """Dependencies; one that a parameter names whole, as all files of it name it."""
    for dep in deps:
        whole = FILLED.fullmatch(dep)
        if not whole:
            yield dep
            continue
        key = whole[1].removeprefix("item.")
        for file in sorted((root / "params" / f"{name}s").glob("*.yaml")):
            yield from filter(None, [read_yaml(file).get(key)])


def _axes(stage: Mapping[str, Any]) -> Iterator[str]:
    """Parameters that list what a group has a stage for."""
    axes = stage.get("foreach", stage.get("matrix", {}))
    for axis in [axes] if isinstance(axes, str) else axes.values():
        yield FILLED.fullmatch(axis)[1]  # type: ignore[index]


def _value(params: Mapping[str, Any], key: str) -> Any:
    """A parameter by its dotted name."""
    value: Any = params
    for part in key.split("."):
        value = value[part]
    return value


def _direct(
    name: str, reads: Mapping[str, set[str]], default: Mapping[str, bool]
) -> Iterator[str]:
    """What a node reads that does not follow from the rest of what it reads.

    What the default study has may only follow by way of what that study has too.
    """
    for other in (one for one in reads if one in reads[name]):
        alone = default.get(other, True)
        between = {
            third
            for third in reads[name] - {other}
            if not alone or default.get(third, True)
        }
        if not any(_reaches(third, other, reads, default, alone) for third in between):
            yield other


def _reaches(
    name: str,
    other: str,
    reads: Mapping[str, set[str]],
    default: Mapping[str, bool],
    alone: bool,
) -> bool:
    """Whether a node stands on another one, by way of the default study's alone."""
    return any(
        third == other or _reaches(third, other, reads, default, alone)
        for third in reads[name]
        if third == other or not alone or default.get(third, True)
    )
