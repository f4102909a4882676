"""Revisions made up in the stages' formats."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from tasks.artifacts.evaluation import Episodes, write_evaluation
from tasks.artifacts.files import sha256
from tasks.artifacts.sealed import SEAL, sealed
from tasks.compare import Source
from tasks.compare.revision import Revision, collect
from tests.study_files import SEEDS, WORLDS, dump, write_study

DATASET, WORLD = "hopper_mixed", "hopper"
Make = Callable[..., Source]


def network(weight: float = 1.0, width: int = 4, **tensors: np.ndarray) -> Any:
    """A model of two nodes and at least two initialisers."""
    arrays = {
        "layer0.weight": np.full((3, width), weight, np.float32),
        "layer0.bias": np.zeros(width, np.float32),
        **tensors,
    }
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("observation", 3), ("action", width))
    ]
    nodes = [
        helper.make_node("Gemm", ["observation", *list(arrays)[:2]], ["hidden"]),
        helper.make_node("Tanh", ["hidden"], ["action"]),
    ]
    stored = [numpy_helper.from_array(a, name) for name, a in arrays.items()]
    graph = helper.make_graph(nodes, "policy", values[:1], values[1:], stored)
    return helper.make_model(graph)


def put_network(
    root: Path, leaf: str, seed: int, model: Any, *, timed: bool = True
) -> None:
    """Write an ONNX file, and its hash where it is stated."""
    file = root / "data/onnx" / leaf / f"seed-{seed}.onnx"
    onnx.save(model, file)
    contract = file.with_suffix(".json")
    known = json.loads(contract.read_text())
    dump(contract, {**known, "onnx_sha256": sha256(file)})
    if timed and seed == SEEDS[0]:  # of which the latency is
        latency = root / "data/profiles" / leaf / "latency.json"
        rewrite(latency, onnx_sha256=sha256(file))


def shift(root: Path, leaf: str, points: float) -> None:
    """Move every episode of a variant by some points of score."""
    folder = root / "data/evaluations" / leaf
    table = Episodes.read(folder / "episodes.parquet")
    low, high = WORLDS[WORLD]["ref_min"], WORLDS[WORLD]["ref_max"]
    move = points * (high - low) / 100
    edited = vars(table) | {"returns": table.returns + move}
    metrics = json.loads((folder / "metrics.json").read_text())
    for key in ("mean", "iqm", "low", "high"):
        metrics["score"][key] += points
        metrics["return"][key] += move
    write_evaluation(folder, Episodes(**edited), metrics)


def rewrite(path: Path, **changed: Any) -> None:
    """Change keys of a JSON file; one that states its hash states the new one."""
    content = {**json.loads(path.read_text()), **changed}
    dump(path, sealed(content) if SEAL in content else content)


def lock(root: Path, params: Mapping[str, Any], **deps: str) -> None:
    """A dvc.lock with one stage that depends on ``deps``."""
    stage = {
        "cmd": "python -m tasks.train",
        "deps": [{"path": path, "md5": md5} for path, md5 in deps.items()],
        "params": {"params.yaml": dict(params)},
        "outs": [{"path": f"data/policies/{DATASET}/bc", "md5": "abc.dir"}],
    }
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"train@x": stage}}))


def write_revision(
    folder: Path,
    learners: tuple[str, ...] = ("bc",),
    variants: tuple[str, ...] = ("float32", "gptq4"),
    datasets: Mapping[str, str] | None = None,
) -> None:
    """A made-up study whose ONNX files are such."""
    named = dict(datasets or {DATASET: WORLD})
    write_study(folder, named, learners, variants)
    for dataset in named:
        for learner in learners:
            for variant in variants:
                for seed in SEEDS:
                    leaf = f"{dataset}/{learner}/{variant}"
                    put_network(folder, leaf, seed, network(1.0 + seed))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a revision."""

    def made(name: str, **options: Any) -> Source:
        folder = tmp_path / name.replace("/", "_")
        write_revision(folder, **options)
        (folder / "requirements.lock").write_text("# why\nnumpy==2.0\ntorch==2.13.0\n")
        lock(folder, {"study.updates": 20_000})
        return Source(name, "branch", "a" * 40, "a message", folder)

    return made


@pytest.fixture
def revisions(make: Make) -> Callable[..., tuple[Revision, Revision]]:
    """Two equal revisions, the second one edited."""

    def made(edit: Callable[[Path], None], **options: Any) -> tuple[Revision, Revision]:
        one, other = make("main", **options), make("other", **options)
        edit(other.folder)
        return collect(one), collect(other)

    return made
