"""A small, realistic tree of files, written in the stages' formats."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tasks.artifacts.evaluation import Episodes, write_evaluation
from tasks.artifacts.sealed import sealed
from tasks.statistics.intervals import score as score_of

SEEDS, EPISODES, STEPS = [0, 1, 2], 50, 20_000
WORLDS = {
    "hopper": {"env_id": "Hopper-v5", "ref_min": 18.0, "ref_max": 2618.0},
    "pendulum": {"env_id": "Pendulum-v1", "ref_min": -1200.0, "ref_max": -150.0},
}
LEARNERS = {"bc": 41.0, "td3_bc": 62.0, "iql": 58.0}  # score
# change of score, kB, us at batch 1 and 256, parameters, bits, mode
VARIANTS: dict[str, tuple[float, float, float, float, int, int, str]] = {
    "float32": (0.0, 283.6, 16.2, 940.0, 69_635, 32, "exact"),
    "int8_static": (-0.4, 74.9, 22.4, 410.0, 69_635, 8, "native"),
    "gptq4": (-4.5, 43.1, 31.0, 1510.0, 69_635, 4, "exact"),
    "structured": (-1.0, 88.2, 11.9, 362.0, 21_251, 32, "exact"),
    "distill": (0.3, 22.6, 9.1, 151.0, 5_187, 32, "exact"),
    "distill-int8_static": (-0.9, 9.8, 12.4, 118.0, 5_187, 8, "native"),
}


def digest(*words: object) -> str:
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()


def dump(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def dump_sealed(path: Path, value: Any) -> None:
    dump(path, sealed(value))


def card(name: str, world: str) -> dict[str, Any]:
    low, high = WORLDS[world]["ref_min"], WORLDS[world]["ref_max"]
    draw = np.random.default_rng(7)
    returns = low + (high - low) * np.concatenate(
        [draw.beta(2, 6, 260), draw.normal(0.44, 0.05, 140)]
    )
    counts, edges = np.histogram(returns, 40)
    width = 11
    vector = {k: (np.arange(width) * s / 10).tolist() for k, s in
              {"min": -9, "mean": 1, "max": 12, "std": 3}.items()}  # fmt: skip
    action = {"min": [-1.0] * 3, "mean": [0.0, 0.1, -0.1], "max": [1.0] * 3,
              "std": [0.6] * 3}  # fmt: skip
    return {
        "schema": 1, "dataset_id": f"{name}-v0", "world": world,
        "env_id": WORLDS[world]["env_id"], "episodes": 400, "steps": 100_000,
        "return": {"min": returns.min(), "mean": returns.mean(),
                   "median": float(np.median(returns)), "max": returns.max(),
                   "histogram": {"edges": edges.tolist(), "counts": counts.tolist()}},
        "score_mean": 100 * (returns.mean() - low) / (high - low),
        "length": {"min": 20, "mean": 250.0, "max": 1000},
        "terminated": 0.93, "truncated": 0.07,
        "observation": vector, "action": action,
        "coverage": {"axes": 2, "cells": 1024, "occupied": 317, "share": 0.31},
        "sources": [
            {"name": f"sac-{k * 30}k", "episodes": 80, "steps": 20_000,
             "return_mean": low + (high - low) * k * 0.09} for k in range(5)],
        "sha256": digest("data", name),
    }  # fmt: skip


def curves(path: Path, learner: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {"bc": ["loss"], "iql": ["value_loss", "critic_loss", "actor_loss", "q"],
             }.get(learner, ["critic_loss", "actor_loss", "q"])  # fmt: skip
    lines = [",".join(["update", "seed", *names])]
    draw = np.random.default_rng(len(learner))
    for update in range(0, STEPS + 1, 500):
        for seed in SEEDS:
            fall = [
                (120 * (1 - np.exp(-update / 6000)) if name in ("q", "value")
                 else 0.05 + 2 * np.exp(-update / 4000)) * (1 + 0.06 * draw.normal())
                for name in names
            ]  # fmt: skip
            lines.append(",".join(map(str, [update, seed, *fall])))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    state_curves(path)


def state_curves(path: Path) -> None:
    """Let policy.json beside curves state the hash that they have now."""
    stated = hashlib.sha256(path.read_bytes()).hexdigest()
    dump_sealed(path.with_name("policy.json"), {"files": {path.name: stated}})


def episodes(
    dataset: str, world: str, learner: str, change: float
) -> tuple[Episodes, dict[str, Any]]:
    """Episodes that share their luck by start, so that pairing helps."""
    low, high = WORLDS[world]["ref_min"], WORLDS[world]["ref_max"]
    luck = np.random.default_rng(len(dataset)).normal(0, 14, (3, EPISODES))
    noise = np.random.default_rng(int(abs(change) * 1000)).normal(0, 3, (3, EPISODES))
    # a child's mean change is exact, so that the expected words are certain
    noise -= noise.mean(axis=1, keepdims=True)
    base = LEARNERS.get(learner, 50.0)
    score = base + luck - luck.mean() + (noise if change else 0) + change
    returns = low + score * (high - low) / 100
    table = Episodes(
        seed=np.repeat(SEEDS, EPISODES), episode=np.tile(np.arange(EPISODES), 3),
        start_seed=np.tile(np.arange(EPISODES), 3), returns=returns.ravel(),
        length=np.full(3 * EPISODES, 612), terminated=np.arange(3 * EPISODES) % 4 > 0,
    )  # fmt: skip

    def figures(values: Any) -> dict[str, float]:
        s = score_of(values, confidence=0.95, resamples=500, resample_seed=0)
        ends = {"iqm": s.middle, "low": s.low, "high": s.high}
        return {"mean": values.mean(), **ends}

    return table, {"return": figures(returns), "score": figures(score)}


def replace_table(place: Path, table: Episodes) -> None:
    """Put another table into an evaluation, of which metrics.json then tells."""
    write_evaluation(place, table, json.loads((place / "metrics.json").read_text()))


def write_variant(
    root: Path, dataset: str, world: str, learner: str, variant: str
) -> None:
    change, size, one, many, count, bits, mode = VARIANTS[variant]
    leaf, names = f"{dataset}/{learner}/{variant}", (dataset, learner, variant)
    first, _, last = variant.rpartition("-")
    table, summary = episodes(dataset, world, learner, change)
    place = root / "data/evaluations" / leaf
    named = dict(zip(("dataset", "learner", "variant"), names, strict=True))
    place.mkdir(parents=True, exist_ok=True)
    error = {32: 0.021, 8: 0.0071, 4: 0.083}[bits]
    told = {"data": {"mean": error / 2, "max": error * 6},
            "visited": {"mean": error * 0.8, "max": error * 9}}  # fmt: skip
    apart = {} if variant == "float32" else {"action_error": told}
    write_evaluation(place, table, {
        "schema": 1, **named, "world": world, "mode": mode, "episodes": EPISODES,
        "seeds": SEEDS, **summary, **apart, "length_mean": 612.0, "terminated": 0.75,
        "per_seed": [{"seed": k, "mean": 1.0, "std": 1.0} for k in SEEDS],
        "session": {"onnxruntime": "1.31.1", "mode": mode, "threads": 1}})  # fmt: skip
    error = 0.0 if variant == "float32" else error
    shapes = [("l0", [11, 256]), ("l1", [256, 256]), ("l2", [256, 3])]
    dump_sealed(root / "data/compressed" / leaf / "compression.json", {
        "schema": 1, "variant": variant, "compressor": last, "after": first or None,
        "mode": mode, "bits_nominal": bits,
        "layers": [{"name": n, "kind": "dense", "shape": s, "bits": bits,
                    "bytes": s[0] * s[1] * bits // 8,
                    "error": None if last == "distill" else
                    [error * (1 + k / 9) for k in SEEDS]} for n, s in shapes],
        "parameters": count, "parameters_before": 69_635,
        "bytes_weights": int(count * bits / 8), "bytes_weights_before": 278_540,
        "calibration": None if variant == "float32" else {
            "dataset": dataset, "sha256": digest("data", dataset), "rows": 4096,
            "what": "observations drawn evenly from all episodes"},
        "action_error": {"mean": error / 2, "max": error * 6}})  # fmt: skip
    for seed in SEEDS:
        file = root / "data/onnx" / leaf / f"seed-{seed}.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(digest(leaf, seed).encode())
        dump(file.with_suffix(".json"), {
            "schema": 1, "world": world, "env_id": "", "mode": mode,
            "inputs": {"observation": {"shape": ["batch", 11]}}, "carry": {},
            "outputs": {"action": {"shape": ["batch", 1], "low": [-1], "high": [1]}},
            "step_seconds": 0.008,
            "dataset": {"name": dataset, "sha256": digest("data", dataset)},
            "learner": learner, "variant": variant, "seed": seed, "opset": 21, "ir": 10,
            "weights_sha256": digest("weights", leaf),
            "statistics_sha256": digest("statistics", dataset),
            "parity": {"rows": 1200, "batches": [1, 2, 7, 17], "max": 3.1e-6,
                       "p99": 8e-7, "tolerance": 1e-4},
            "onnx_sha256": hashlib.sha256(file.read_bytes()).hexdigest()})  # fmt: skip
    profile = root / "data/profiles" / leaf
    dump_sealed(profile / "static.json", {
        "schema": 1, **named, "bytes": size * 1000, "bytes_per_seed": [size * 1000] * 3,
        "parameters": count, "operators": {"Gemm": 3, "Relu": 2, "Tanh": 1},
        "initialisers": {f"T{bits}": count * bits // 8},
        "opset": 21, "ir": 10})  # fmt: skip
    dump_sealed(profile / "latency.json", {
        "schema": 1, "machine": {"cpu": "Some CPU @ 2.6 GHz", "cores": 2},
        "onnxruntime": "1.31.1", "threads": 1, "mode": mode, "repeats": 2000,
        "load": 0.4, "onnx_sha256":
            hashlib.sha256(digest(leaf, SEEDS[0]).encode()).hexdigest(),
        "batches": {"1": {"p50_us": one, "p99_us": one * 1.3, "spread": 0.02},
                    "256": {"p50_us": many, "p99_us": many * 1.2,
                            "spread": 0.02}}})  # fmt: skip


def write_study(
    root: Path,
    datasets: dict[str, str],
    learners: tuple[str, ...] = ("bc", "td3_bc", "iql"),
    variants: tuple[str, ...] = tuple(VARIANTS),
) -> None:
    """Write params.yaml, environment.json and data/ below ``root``."""
    for dataset, world in datasets.items():
        place = root / "data/datasets" / f"{dataset}-v0"
        dump(place / "card.json", sealed(card(dataset, world)))
        block = {"_target_": f"tasks.worlds.{world}.X", "name": world,
                 "measured": "20 episodes each", **WORLDS[world]}  # fmt: skip
        content = {"schema": 2, "world": block, "made_by": []}
        dump(place / "world.json", sealed(content))
        for learner in learners:
            curves(root / "data/policies" / dataset / learner / "curves.csv", learner)
            for variant in variants:
                write_variant(root, dataset, world, learner, variant)
    dump(root / "environment.json", {
        "schema": 1, "python": "3.11.2", "threads": 1,
        "platform": {"libc": "glibc 2.36", "machine": "x86_64", "system": "Linux"},
        "cpu": {"model": "Some CPU", "cores": 2, "flags": ["avx2", "avx512_vnni"]},
        "packages": {"torch": "2.13.0", "onnxruntime": "1.31.1"}})  # fmt: skip
    here = Path(__file__).parents[1] / "params"
    params = {
        "study": {"name": "quickstart", "title": "Hopper from mixed experience",
                  "seeds": SEEDS, "updates": STEPS, "batch": 256,
                  "datasets": list(datasets), "learners": list(learners),
                  "policies": list(learners),
                  "variants": list(variants)},
        "evaluate": {"returns": {
            **_yaml(here / "evaluate/returns.yaml"), "resamples": 300}},
        "report": {"html": {**_yaml(here / "report/html.yaml"), "film": 0}},
    }  # fmt: skip
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
