"""Figures of datasets put beside a made-up study, in the format of stage measure."""

from pathlib import Path
from typing import Any

import yaml

from tests.study_files import digest, dump_sealed


def figure(value: float | None, sign: int = 1) -> dict[str, Any]:
    known = value is not None
    return {
        "value": value,
        "low": value - 1 if known else None,
        "high": value + 1 if known else None,
        "n": 20, "seed": 0, "family": "ground truth", "sign": sign,
        **({} if known else {"why": "the world was not asked"}),
    }  # fmt: skip


def measured(
    name: str, q: float, d: float, c: float, peers: list[str], **changes: Any
) -> dict[str, Any]:
    return {
        "schema": 1, "dataset": name, "dataset_sha256": digest("data", name),
        "world": "hopper", "seed": 0, "confidence": 0.95, "resamples": 100,
        "peers": peers, "episodes": 20, "steps": 900, "reference": "params",
        "bandwidth": 3.25, "gate": ["quality.valid"],
        "quality": {"score": figure(q), "dynamics": figure(None)},
        "diversity": {"vendi": figure(d), "self_bleu": figure(-3 * d, -1)},
        "complexity": {"ifd": figure(c)}, **changes,
    }  # fmt: skip


def some(*rows: tuple[float, float, float]) -> dict[str, dict[str, Any]]:
    names = [f"d{k}" for k in range(len(rows))]
    return {n: measured(n, *row, names) for n, row in zip(names, rows, strict=True)}


def put(root: Path, names: list[str], **changes: Any) -> None:
    """Measure the datasets of a made-up study."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["study"]["measured"] = names
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    for k, name in enumerate(names):
        metrics = measured(name, 41.5 + k, 5.25 - k, 0.5, names, **changes)
        dump_sealed(root / f"data/qdc/{name}/metrics.json", metrics)
