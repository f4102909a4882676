"""The parameters that ``make adopt`` writes, and the source that DVC tracks."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_text

PARAMS = Path("params")
COMMENTS = {
    "_target_": "",
    "method": "",
    "dataset": "whose rows it is calibrated and compared on",
    "input": "name in the graph",
    "output": "name in the graph",
    "normaliser": "none, inside the graph, or beside it as norm.npz",
    "action": "what comes out: world, scaled ([-1, 1]), logits or q",
    "clip": "whether who plays it clips that, true or false",
}
DATASET = """\
# {world} as the policy {name} plays it, which was trained elsewhere
defaults:
  - /world@world: {world}
  - /generate@generate: rollout
  - _self_

method: rollout
generate:
  policy: {name}  # a file of data/behaviors/
  noise: 0.0  # halves of the action range; discrete: share of random actions, 0..1
  steps: 10_000  # whole episodes until they hold as many, >= 1
"""
STUDY = """\
# @package _global_
# The policy {name}, trained elsewhere, and what compressors make of it
defaults:
  - /dataset@{group}.{dataset}: {dataset}
  - /adopt@adopted.{name}: {name}
  - /compress@compress.float32: float32
  - /compress@compress.int8_static: int8_static
  - /compress@compress.gptq4: gptq4
  - /export@export.feedforward: feedforward
  - /evaluate@evaluate.returns: returns
  - /profile@profile.latency: latency
  - /report@report.html: html
  - _self_

study:
  name: {name}
  title: {name}, trained elsewhere
  seeds: [0]           # an adopted policy is one network
  updates: 1           # gradient steps a learner, >= 1; there is none
  batch: 256           # rows an update, >= 1
  snapshots: 0         # policies kept during training, >= 0
  precision: float32   # of the matrix products: float32 or bfloat16
  processes: 1         # that share the seeds of a learner, one core each, >= 1
  datasets: [{dataset}]
  learners: []
  adopted: [{name}]
  curves: []           # learners whose kept policies are played
  compressors: [float32, int8_static, gptq4]
  chains:              # every `then` runs on what every `first` left
    first: []
    then: []
  variants: [float32, int8_static, gptq4]
  estimators: []       # of returns from logged episodes alone: fqe, wis, dr
"""


def write(
    name: str,
    world: str | None,
    dataset: str,
    group: str,
    block: Mapping[str, Any],
    kind: str,
) -> list[Path]:
    """Write the parameters of an adopted policy.

    Args:
        name: Of the policy.
        world: Where it plays to make the dataset; None: the dataset is there.
        dataset: Its name.
        group: The block of params.yaml it belongs to.
        block: Of ``adopted``.
        kind: What the policy is, in words.

    Returns:
        The files written; a dataset or study that was there is left.
    """
    lines = [f"# {kind}, trained elsewhere; see docs/policies.md"]
    for key, value in block.items():
        text = yaml.safe_dump({key: value}, width=1000).strip()
        lines.append(f"{text}  # {COMMENTS[key]}" if COMMENTS[key] else text)
    texts = {PARAMS / f"adopt/{name}.yaml": "\n".join(lines) + "\n"}
    if world:
        made = DATASET.format(world=world, name=name)
        texts[PARAMS / f"dataset/{name}.yaml"] = made
    study = STUDY.format(name=name, dataset=dataset, group=group)
    texts[PARAMS / f"study/{name}.yaml"] = study
    wrote = []
    for path, text in texts.items():
        if path.parent.name == "adopt" or not path.exists():
            write_text(path, text)
            wrote.append(path)
    return wrote


def group_of(dataset: str) -> str:
    """The block of a study that a dataset's parameters belong to.

    Raises:
        RefusedError: If params/ has no such dataset.
    """
    path = PARAMS / f"dataset/{dataset}.yaml"
    if not path.exists():
        mend = "name a dataset of params/dataset/"
        raise RefusedError(path, "file", "nothing", "a dataset's parameters", mend)
    imported = "\nmethod: imported" in path.read_text(encoding="utf-8")
    return "imported" if imported else "dataset"


def track(source: Path) -> None:
    """Let DVC keep the source, so that other clones of the project can have it.

    Raises:
        RefusedError: If DVC could not.
    """
    command = [sys.executable, "-m", "dvc", "add", "--quiet", source.as_posix()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["nothing"]
        mend = f"run: dvc add {source}"
        raise RefusedError(source, "dvc add", lines[-1], "a tracked folder", mend)
