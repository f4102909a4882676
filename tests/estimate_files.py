"""Estimates put beside a made-up study, in the stage's format."""

from pathlib import Path
from typing import Any

import yaml

from tests.study_files import SEEDS, digest, dump_sealed

MEAN = {"fqe": 4321.5, "wis": 987.6}  # far from any return of the study


def add_estimates(
    root: Path, dataset: str, learner: str, methods: tuple[str, ...] = ("fqe", "wis")
) -> list[Path]:
    """Write metrics.json of some estimators and name them in params.yaml."""
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["study"]["estimators"] = list(methods)
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    paths = []
    for method in methods:
        mean = MEAN[method]
        block = {"mean": mean, "low": mean - 10, "high": mean + 20}
        metrics: dict[str, Any] = {
            "schema": 1,
            "kind": "estimate",
            "method": method,
            "dataset": dataset,
            "dataset_sha256": digest("data", dataset),
            "learner": learner,
            "variant": "float32",
            "seeds": SEEDS,
            "noise": 0.0 if method == "fqe" else 1.0,
            "discount": 0.99,
            "episodes": 400,
            "logged": {"discounted": 55.5, "undiscounted": 66.6},
            "discounted": block,
            "per_seed": [{"seed": k, **block} for k in SEEDS],
            "undiscounted": {"mean": 5555.5} if method == "wis" else None,
        }
        if method == "wis":
            metrics["effective"] = [
                {"seed": k, "episodes": 400, "at_end": 1.5 + k, "half_at": 3}
                for k in SEEDS
            ]
        paths.append(root / f"data/estimates/{dataset}/{learner}/{method}/metrics.json")
        dump_sealed(paths[-1], metrics)
    return paths
