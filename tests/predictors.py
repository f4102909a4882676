"""A study of predictors in a folder: two seeds of a classifier on a few pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from tasks.artifacts.arrays import Arrays, load_arrays, write_arrays
from tasks.artifacts.policy import (
    PREDICTOR,
    save_policy,
    statistics_sha256,
    weights_sha256,
)
from tasks.nets.layers import MLP
from tasks.nets.plain_predictor import PlainPredictor

ROOT = Path(__file__).parents[1]
DATASET, LEARNER, SEEDS = "dots", "classifier", (0, 1)
MADE = [{"method": "generate.digits", "params_sha256": "0", "code_sha256": "0"}]


def dots(rows: int = 60, **changes: Any) -> Arrays:
    """Pictures of four pixels; the label says which is brightest."""
    image = np.random.default_rng(3).random((rows, 4), np.float32)
    arrays = {"image": image, "label": image.argmax(1)}
    splits = {"train": (0, rows // 2), "test": (rows // 2, rows)}
    return Arrays(**{"arrays": arrays, "splits": splits, **changes})


def classifier(hidden: tuple[int, ...] = (6,)) -> PlainPredictor:
    """Two seeds of a small network."""
    layers = list(MLP(SEEDS, "test", (4, *hidden, 4)).layers)
    mean, std = torch.full((4,), 0.5), torch.full((4,), 0.3)
    return PlainPredictor(layers, ("image", (4,)), "logits", mean, std)


def origin(root: Path) -> dict[str, Any]:
    data = load_arrays(root / f"data/datasets/{DATASET}-v0")
    return {
        "kind": PREDICTOR,
        "seeds": list(SEEDS),
        "learner": LEARNER,
        "dataset": DATASET,
        "dataset_sha256": data.sha256,
        "made_by": MADE,
    }


def hashed(root: Path, net: Any) -> dict[str, Any]:
    """An origin as a contract needs it."""
    hashes = weights_sha256(net), statistics_sha256(net)
    named = dict(zip(("weights_sha256", "statistics_sha256"), hashes, strict=True))
    return {**origin(root), **named}


def method(room: str, name: str, **changes: Any) -> dict[str, Any]:
    text = (ROOT / f"params/{room}/{name}.yaml").read_text(encoding="utf-8")
    return {**yaml.safe_load(text), **changes}


def study(root: Path, net: Any = None, **changes: Any) -> None:
    """params.yaml, the dataset and a trained predictor below a folder."""
    write_arrays(root / f"data/datasets/{DATASET}-v0", dots(), "dots", MADE)
    block = {
        "name": "dots", "title": "dots", "seeds": list(SEEDS), "updates": 1, "batch": 4,
        "snapshots": 0, "precision": "float32", "processes": 1, "device": "cpu",
        "datasets": [DATASET], "played": [], "predicted": [DATASET],
        "learners": [LEARNER], "policies": [LEARNER], "variants": ["float32", "w8"],
        "compressors": ["float32", "w8"], "metrics": ["accuracy"], "estimators": [],
        "curves": [],
    }  # fmt: skip
    named = {"_target_": "tasks.generate.digits.Digits", "train": 1, "validation": 1}
    params = {
        "study": {**block, **changes},
        "arrays": {DATASET: {"method": "digits", "generate": {**named, "seed": 0}}},
        "train": {LEARNER: method("train", LEARNER)},
        "compress": {
            n: method("compress", n) for n in ("float32", "w8", "int8_static")
        },
        "export": {"feedforward": method("export", "feedforward")},
        "evaluate": {n: method("evaluate", n) for n in ("returns", "accuracy")},
        "profile": {"latency": method("profile", "latency", repeats=20, warm_up=1)},
        "report": {"html": method("report", "html", film=0)},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    folder = root / "data/policies" / DATASET / LEARNER
    folder.mkdir(parents=True)
    text = "update,seed,loss\n1,0,2\n1,1,3\n"
    (folder / "curves.csv").write_text(text, encoding="utf-8")
    save_policy(folder, net or classifier(), origin(root), "curves.csv")
