"""metrics.json, table.json and plots equal what a hand computes from the files."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.artifacts.files import sha256
from tasks.artifacts.sealed import write_sealed
from tasks.report.__main__ import main
from tasks.report.engine.figures import bands

Make = Callable[..., Path]
Patch = pytest.MonkeyPatch


def run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["report"])
    main()


def test_numbers_equal_a_computation_by_hand(make_study: Make, monkeypatch: Patch):
    root = make_study()
    run(monkeypatch)
    metrics = json.loads((root / "data/report/table.json").read_text())
    found = metrics["hopper_mixed"]["td3_bc"]["gptq4"]

    folder = root / "data/evaluations/hopper_mixed/td3_bc"
    child = pd.read_parquet(folder / "gptq4/episodes.parquet")["return"].to_numpy()
    parent = pd.read_parquet(folder / "float32/episodes.parquet")["return"].to_numpy()
    # of each seed's 50 episodes a quarter off each end
    middle = np.sort(child.reshape(3, 50))[:, 12:38]
    assert found["return"] == pytest.approx(middle.mean(), abs=1e-5)
    assert found["score"] == pytest.approx(100 * (middle.mean() - 18) / 2600, abs=1e-5)
    assert found["score_low"] < found["score"] < found["score_high"]
    change = 100 * (child - parent).mean() / 2600
    assert found["difference"] == pytest.approx(change, abs=1e-5)
    assert change == pytest.approx(-4.5)
    assert (found["bytes"], found["ratio"]) == (43_100, round(43.1 / 283.6, 6))
    assert found["verdict"] == "REGRESSED"  # margin: 5 % of 62, and -4.5 lies below
    assert metrics["hopper_mixed"]["td3_bc"]["int8_static"]["verdict"] == "HELD"
    assert found["action_error_data"] == pytest.approx(0.083 / 2, abs=1e-6)
    assert found["action_error_visited"] == pytest.approx(0.083 * 0.8, abs=1e-6)
    assert "action_error_data" not in metrics["hopper_mixed"]["td3_bc"]["float32"]


def test_metrics_are_few_and_say_what_to_ship(make_study: Make, monkeypatch: Patch):
    root = make_study()
    run(monkeypatch)
    found = json.loads((root / "data/report/metrics.json").read_text())
    table = json.loads((root / "data/report/table.json").read_text())["hopper_mixed"]
    assert len(found) <= 15
    shipped = table["td3_bc"]["distill-int8_static"]
    assert (found["best"], found["ship"]) == ("td3_bc", "td3_bc / distill-int8_static")
    assert found["best_score"] == table["td3_bc"]["float32"]["score"]
    for name in ("score", "bytes", "ratio"):
        assert found[f"ship_{name}"] == shipped[name]
    assert found["ship_low"] == shipped["score_low"]
    words = [
        variant["verdict"]
        for learner in table.values()
        for name, variant in learner.items()
        if name != "float32"
    ]
    for word in ("HELD", "REGRESSED", "IMPROVED", "SUSPECT", "BRITTLE PARENT"):
        assert found[word.lower().replace(" ", "_")] == words.count(word)


def test_metrics_of_several_datasets_are_means(make_study: Make, monkeypatch: Patch):
    root = make_study({"a": "hopper", "b": "pendulum"}, learners=("bc", "iql"))
    run(monkeypatch)
    found = json.loads((root / "data/report/metrics.json").read_text())
    table = json.loads((root / "data/report/table.json").read_text())
    assert found["ship"] == "2 of 2 datasets"
    best = [table[name]["iql"]["float32"]["score"] for name in "ab"]
    assert found["best_score"] == pytest.approx(np.mean(best), abs=1e-5)


def test_a_float32_variant_against_itself_held(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("td3_bc",), variants=("float32",))
    run(monkeypatch)
    metrics = json.loads((root / "data/report/table.json").read_text())
    found = metrics["hopper_mixed"]["td3_bc"]["float32"]
    assert (found["difference"], found["verdict"], found["ratio"]) == (0, "HELD", 1)


def test_pareto_table_has_every_variant(make_study: Make, monkeypatch: Patch):
    root = make_study({"a": "hopper", "b": "pendulum"}, learners=("bc", "iql"))
    run(monkeypatch)
    with (root / "data/report/plots/pareto.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == 2 * 2 * 6
    metrics = json.loads((root / "data/report/table.json").read_text())
    for line in table:
        at = metrics[line["dataset"]][line["learner"]][line["variant"]]
        assert float(line["score"]) == at["score"]
        assert float(line["bytes"]) == at["bytes"]


def test_curves_are_bands_over_seeds(make_study: Make, monkeypatch: Patch):
    root = make_study(learners=("bc",), variants=("float32",))
    run(monkeypatch)
    drawn = pd.read_csv(root / "data/report/plots/curves/hopper_mixed-bc-loss.csv")
    raw = pd.read_csv(root / "data/policies/hopper_mixed/bc/curves.csv")
    at = raw[raw["update"] == 1000]["loss"]
    line = drawn[drawn["update"] == 1000].iloc[0]
    expected = [at.min(), at.max(), at.mean()]
    assert line[["low", "high", "mean"]].tolist() == pytest.approx(expected, abs=1e-6)


def test_values_that_are_not_finite_leave_no_hole_in_a_curve():
    table = pd.DataFrame(
        {
            "update": [0, 0, 1, 1, 2, 2],
            "seed": [0, 1, 0, 1, 0, 1],
            "q": [np.nan, np.nan, 1, 3, np.inf, 5],
        }
    )
    band = bands(table)["q"]
    assert band.tolist() == [[1, 2], [1, 5], [3, 5], [2, 5]]


def test_the_same_files_give_the_same_bytes(make_study: Make, monkeypatch: Patch):
    root = make_study()
    run(monkeypatch)
    out = root / "data/report"
    names = ("metrics.json", "table.json", "plots")
    before = [sha256(out / name) for name in names]
    for latency in root.rglob("latency.json"):  # time may not show in them
        write_sealed(latency, json.loads(latency.read_text().replace("16.2", "99.9")))
    page = (out / "index.html").read_text()
    run(monkeypatch)
    assert before == [sha256(out / name) for name in names]
    assert page != (out / "index.html").read_text()
    assert "nan" not in (out / "table.json").read_text().lower()
