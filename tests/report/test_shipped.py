"""The file to ship lies at one path, whatever the study came to."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks.artifacts.files import sha256
from tests.report.test_figures import run

ROOT = Path(__file__).parents[2]
Make = Callable[..., Path]


def test_the_best_seed_of_the_answer_is_copied(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
):
    root = make_study()
    leaf = "hopper_mixed/td3_bc/distill-int8_static"
    table = pd.read_parquet(root / "data/evaluations" / leaf / "episodes.parquet")
    seed = table.groupby("seed")["return"].mean().idxmax()
    run(monkeypatch)
    said = json.loads((root / "data/report/ship/ship.json").read_text())
    chosen = said["hopper_mixed"]
    assert chosen["file"] == f"data/onnx/{leaf}/seed-{seed}.onnx"
    place = root / "data/report/ship/hopper_mixed"
    contract = json.loads((place / "policy.json").read_text())
    assert contract["seed"] == seed
    assert sha256(place / "policy.onnx") == contract["onnx_sha256"]
    assert chosen["bytes"] == (place / "policy.onnx").stat().st_size
    metrics = json.loads((root / "data/report/metrics.json").read_text())
    assert metrics["ship_score"] == round(chosen["score"], 6)
    assert chosen["verdict"] == "HELD"


def test_where_nothing_held_it_says_so(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
):
    root = make_study(variants=("float32", "gptq4"))
    run(monkeypatch)
    place = root / "data/report/ship"
    assert json.loads((place / "ship.json").read_text()) == {"hopper_mixed": None}
    assert [path.name for path in place.iterdir()] == ["ship.json"]


def test_the_same_study_ships_the_same_bytes(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
):
    root = make_study()
    run(monkeypatch)
    before = sha256(root / "data/report/ship")
    run(monkeypatch)
    assert sha256(root / "data/report/ship") == before


def test_the_graph_names_it_as_an_artifact():
    graph = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    artifact = graph["artifacts"]["policy"]
    assert artifact["path"] in graph["stages"]["report"]["outs"]
    assert artifact["type"] == "model"
    assert artifact["desc"]
