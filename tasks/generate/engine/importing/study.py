"""The two files that an import writes into params/: its dataset and a study of it."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from gymnasium.spaces import Discrete

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_text
from tasks.artifacts.makers import IMPORTED
from tasks.artifacts.params import load
from tasks.code.check import check
from tasks.generate.imported.fitting import Brought
from tasks.generate.imported.logs import Logs

PARAMS = Path("params")
SMALL = "{actor_hidden: [128, 128], actor_rate: 1.0e-3}"
CRITICS = (
    "{actor_hidden: [128, 128], critic_hidden: [64, 64], actor_rate: 1.0e-3, "
    "critic_rate: 1.0e-3}"
)


@dataclass(frozen=True)
class Import:
    """What a user asked for.

    Attributes:
        name: Of source, dataset and study.
        brought: Name of the file or folder it was.
        world: Of params/world/; None: there is none.
        options: What differs from params/generate/imported.yaml.
        about: ``ref_scores`` and ``step_seconds`` of a source without a world.
    """

    name: str
    brought: str
    world: str | None
    options: Mapping[str, Any]
    about: Mapping[str, Any]


def check_name_free(name: str) -> None:
    """Refuse a name that something else than an import has.

    Args:
        name: Of the dataset and the study.

    Raises:
        RefusedError: Names the file that has it.
    """
    for group in ("dataset", "corruption", "attack", "study"):
        file = PARAMS / group / f"{name}.yaml"
        if file.exists() and not _is_import(file, name):
            found = "another's name"
            expected = "a new one, or that of an import"
            raise RefusedError(file, "NAME", found, expected, "choose another NAME")


def _is_import(file: Path, name: str) -> bool:
    """Whether a file of params/ is one that an import of the name wrote."""
    content = load(file)
    if file.parent.name == "study":
        return {f"/dataset@{IMPORTED}.{name}": name} in (content.get("defaults") or [])
    return content.get("method") == IMPORTED


def write(
    made: Import,
    logs: Logs,
    brought: Brought,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Write both files, once a study of them was composed and checked.

    A study that is there already stays as it is: the user may have changed it.

    Args:
        made: What was asked for.
        logs: What the source states.
        brought: Its episodes.
        before: Called once all is checked and nothing written.

    Raises:
        RefusedError: If the study would be refused.
    """
    texts = {
        PARAMS / "dataset" / f"{made.name}.yaml": _dataset(made, logs, brought),
        PARAMS / "study" / f"{made.name}.yaml": _study(made, brought),
    }
    study = PARAMS / "study" / f"{made.name}.yaml"
    if study.exists():
        del texts[study]
    with TemporaryDirectory() as place:
        copy = Path(place, PARAMS)
        shutil.copytree(PARAMS, copy)
        for file, text in texts.items():
            write_text(Path(place, file), text)
        check(yaml.safe_load(composed([f"study={made.name}"], copy)))
    before()
    for file, text in texts.items():
        write_text(file, text)


def _dataset(made: Import, logs: Logs, brought: Brought) -> str:
    """params/dataset/NAME.yaml."""
    longest = max(len(episode) for episode in brought.episodes)
    lines = [
        f"# {_words(made.brought)}, as `make import` read it; see docs/data.md",
        "defaults:",
        f"  - /world@world: {made.world or 'logged'}",
        "  - /generate@generate: imported",
        "  - _self_",
        "",
        f"method: {IMPORTED}",
    ]
    if not made.world:
        seconds = made.about.get("step_seconds", logs.step_seconds)
        known = "control step, seconds, > 0" + ("" if seconds else "; not known")
        lines += [
            "world:",
            f"  name: {made.name}",
            f"  max_steps: {longest}  # steps of the longest episode, >= 1",
            f"  step_seconds: {float(seconds or 1.0)!r}  # {known}",
        ]
        if scores := made.about.get("ref_scores"):
            low, high = (json.dumps(score) for score in (scores[0], scores[-1]))
            lines += [
                f"  ref_min: {low}  # return of score 0",
                f"  ref_max: {high}  # return of score 100, > ref_min",
                "  measured: as stated with the import",
            ]
    lines += [
        "generate:",
        f"  source: {made.name}  # a folder of data/sources/",
        f"  format: {logs.format}  # name of a reader",
    ]
    for key, value in made.options.items():
        if key != "format":
            text = json.dumps(value)
            lines.append(f"  {key}: {text}  # as params/generate/imported.yaml says")
    return "\n".join(lines) + "\n"


def _study(made: Import, brought: Brought) -> str:
    """params/study/NAME.yaml."""
    name = made.name
    discrete = isinstance(brought.action_space, Discrete)
    critics = CRITICS
    if len({episode.ret for episode in brought.episodes}) == 1:  # no range to scale by
        critics = f"{CRITICS[:-1]}, reward_scale: none}}"
    value = "discrete_cql" if discrete else "iql"
    parts = ["float32", "int8_static", "gptq4", "distill"]
    estimators = "[]" if made.world else "[fqe]"
    lines = [
        "# @package _global_",
        f"# {_words(made.brought)}: learned from, compressed and "
        + ("played" if made.world else "estimated"),
        "defaults:",
        f"  - /dataset@{IMPORTED}.{name}: {name}",
        "  - /train@train.bc: bc",
        f"  - /train@train.{value}: {value}",
        *(f"  - /compress@compress.{part}: {part}" for part in parts),
        *([] if made.world else ["  - /estimate@estimate.fqe: fqe"]),
        "  - /export@export.feedforward: feedforward",
        "  - /evaluate@evaluate.returns: returns",
        "  - /profile@profile.latency: latency",
        "  - /report@report.html: html",
        "  - _self_",
        "",
        "study:",
        f"  name: {name}",
        f"  title: {json.dumps(_words(made.brought))}",
        "  seeds: [0, 1, 2]     # one policy each, all in one stack, >= 0",
        "  updates: 5_000       # gradient steps a learner, >= 1",
        "  batch: 256           # rows an update, >= 1",
        "  snapshots: 0         # policies kept during training, >= 0",
        "  precision: float32   # of the matrix products: float32, or bfloat16",
        "  processes: 1         # that share the seeds of a learner, >= 1",
        f"  datasets: [{name}]",
        f"  learners: [bc, {value}]",
        "  curves: []           # learners whose kept policies are played",
        f"  compressors: [{', '.join(parts)}]",
        "  chains:              # every `then` runs on what every `first` left",
        "    first: [distill]",
        "    then: [int8_static]",
        f"  variants: [{', '.join(parts)}, distill-int8_static]",
        f"  estimators: {estimators}      # of returns from logged episodes alone",
        "",
        "# Small networks and a large rate, for a first run of minutes",
        "train:",
        f"  bc: {SMALL}",
        "  discrete_cql: {critic_hidden: [64, 64], critic_rate: 1.0e-3}"
        if discrete
        else f"  iql: {critics}",
    ]
    return "\n".join(lines) + "\n"


def _words(name: str) -> str:
    """A file's name as text on one line that Hydra leaves as it is."""
    kept = "".join(c if c.isprintable() else "?" for c in name).replace("${", "$ {")
    return kept[:80]
