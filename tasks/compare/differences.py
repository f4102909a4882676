"""What differs between revisions beside their results: values side by side.

Everything becomes a :class:`Table`: a row a name, a column a revision.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.compare.revision import Revision
from tasks.report.cores import words
from tasks.statistics.composition import LETTERS

NONE = "—"
# of a card, what a line can say; the rest is behind its hash
CARD = (
    *("episodes", "steps", "return.min", "return.mean", "return.median", "return.max"),
    *("score_mean", "length.mean", "terminated", "truncated", "coverage", "sources"),
    "sha256",
)
CODE = ("data/code/", "tasks/")  # dependencies that stand for code


@dataclass(frozen=True)
class Line:
    """One name and its value in each revision."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether any revision has another value than the baseline."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Table:
    """Names with their values in each revision, a line each."""

    lines: tuple[Line, ...]

    @property
    def differing(self) -> tuple[Line, ...]:
        """Lines whose values are not all the same."""
        return tuple(line for line in self.lines if line.differs)


def table(blocks: Sequence[Mapping[str, Any]]) -> Table:
    """Nested blocks, one a revision, side by side; names are dotted."""
    flats = [dict(flat(block)) for block in blocks]
    keys = dict.fromkeys(name for flattened in flats for name in flattened)
    return Table(
        tuple(Line(key, tuple(f.get(key, NONE) for f in flats)) for key in keys)
    )


def flat(block: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Dotted names and texts of a nested block."""
    for name, value in block.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", text(value)


def text(value: Any) -> str:
    """A value as YAML would have it on one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(not isinstance(v, dict | list) for v in value):
        return ", ".join(map(text, value))
    return json.dumps(value, default=str)


def params(revisions: Sequence[Revision]) -> Table:
    """The composed parameters, params.yaml."""
    return table([revision.params for revision in revisions])


def packages(revisions: Sequence[Revision]) -> Table:
    """Package versions, of requirements.lock."""
    return table([revision.packages for revision in revisions])


def cards(revisions: Sequence[Revision]) -> dict[str, Table]:
    """card.json of every dataset, the fields of ``CARD``."""
    datasets = dict.fromkeys(name for revision in revisions for name in revision.cards)
    tables = {}
    for name in datasets:
        blocks = []
        for revision in revisions:
            facts = flat(_shortened(revision.cards.get(name, {})))
            blocks.append({key: value for key, value in facts if _of_card(key)})
        tables[name] = table(blocks)
    return tables


def _of_card(key: str) -> bool:
    """Whether a fact of a card is one that a line can say."""
    return any(key == field or key.startswith(f"{field}.") for field in CARD)


def qdc(revisions: Sequence[Revision]) -> dict[str, Table]:
    """Quality, diversity and complexity of every dataset that is measured, as text."""
    datasets = dict.fromkeys(name for revision in revisions for name in revision.qdc)
    return {
        name: table([_figures(revision.qdc.get(name, {})) for revision in revisions])
        for name in datasets
    }


def _figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Figures with their intervals, by letter and name."""
    lines: dict[str, Any] = {}
    for letter in (name for name in LETTERS if name in metrics):
        for name, figure in metrics[letter].items():
            said = "unavailable"
            if figure.get("value") is not None:
                value, low, high = (
                    words.short(figure[k]) for k in ("value", "low", "high")
                )
                said = f"{value} [{low}, {high}]"
            lines[f"{letter}, {name.replace('_', ' ')}"] = said
    return lines


def _shortened(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card whose sources are one line each."""
    sources = card.get("sources")
    if not isinstance(sources, list):
        return dict(card)
    named = {
        str(source.get("name")): f"{text(source.get('episodes'))} episodes, "
        f"{text(source.get('steps'))} steps"
        for source in sources
        if isinstance(source, Mapping)
    }
    return {**card, "sources": named}


def environment(revisions: Sequence[Revision]) -> Table:
    """What ran it, as far as a revision records it.

    environment.json is in no revision; its hash stands in dvc.lock, as a dependency of
    every stage that computes floats. Its content is known where the file lies there.
    """
    blocks: list[dict[str, Any]] = []
    for revision in revisions:
        stages = {
            stage.partition("@")[0]: dep.get("md5")
            for stage, block in revision.stages.items()
            for dep in block.get("deps", ())
            if dep.get("path") == "environment.json"
        }
        known = revision.environment
        blocks.append(
            {
                "environment.json": {
                    f"hash, {stage}": md5 for stage, md5 in stages.items()
                },
                "onnxruntime": _sessions(revision, "onnxruntime"),
                "threads of onnxruntime": _sessions(revision, "threads"),
                "python": known["python"] if known else NONE,
                "processor": known["cpu"]["model"] if known else NONE,
            }
        )
    return table(blocks)


def _sessions(revision: Revision, field: str) -> str:
    """What the evaluations say of their onnxruntime sessions, each value once."""
    values = {
        text((result.metrics.get("session") or {}).get(field, NONE))
        for result in revision.results.values()
        if result.metrics
    }
    return ", ".join(sorted(values)) or NONE


def code(revisions: Sequence[Revision]) -> Table:
    """Hashes of the code the stages ran, from the dependencies in dvc.lock.

    A line a method, as ``data/code/<room>/<method>.json`` lists all its files. Locks
    from before that have a line a file.
    """
    return table([_files(revision, "deps", CODE) for revision in revisions])


def hashes(revisions: Sequence[Revision]) -> Table:
    """Hashes of the outputs, from dvc.lock."""
    return table([_files(revision, "outs", ("data/",)) for revision in revisions])


def _files(revision: Revision, field: str, below: tuple[str, ...]) -> dict[str, str]:
    """MD5 by path; more than one where stages ran different versions of a file."""
    md5s: dict[str, dict[str, None]] = {}
    for block in revision.stages.values():
        deps, outs = block.get("deps", []), block.get("outs", [])
        for entry in deps if field == "deps" else outs:
            if entry["path"].startswith(below):
                md5s.setdefault(entry["path"], {})[str(entry.get("md5"))] = None
    return {path: ", ".join(several) for path, several in sorted(md5s.items())}


def stale(revision: Revision) -> list[str]:
    """What a revision's dvc.lock was not made with: parameters, dotted, and code.

    Someone who edits and commits without running the graph leaves old numbers behind.
    """
    current = dict(flat(revision.params))
    names = set()
    for block in revision.stages.values():
        if not _of_study(revision, block):
            continue
        params = (block.get("params") or {}).get("params.yaml") or {}
        made_with = dict(flat(_nested(params)))
        names |= {name for name, v in made_with.items() if current.get(name) != v}
        names |= {
            dep["path"]
            for dep in block.get("deps", ())
            if revision.source.code.get(dep["path"], dep.get("md5")) != dep.get("md5")
        }
    return sorted(names)


def _of_study(revision: Revision, block: Mapping[str, Any]) -> bool:
    """Whether a stage belongs to the study: dvc.lock keeps stages of others too."""
    mine = {"/".join(key[:length]) for key in revision.results for length in (1, 2, 3)}
    for out in block.get("outs", ()):
        _, _, *parts = str(out.get("path")).split("/")
        if "/".join(parts).removesuffix("-v0") in mine:
            return True
    return False


def _nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """``{a.b: 1}`` as ``{a: {b: 1}}``."""
    nested: dict[str, Any] = {}
    for name, value in dotted.items():
        *parents, last = name.split(".")
        block = nested
        for parent in parents:
            block = block.setdefault(parent, {})
        block[last] = value
    return nested
