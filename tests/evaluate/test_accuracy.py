"""Accuracy by hand, and the whole way of a predictor through the stages."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import offcut
import tasks.compress.__main__ as compress
import tasks.evaluate.__main__ as evaluate
import tasks.export.__main__ as export
import tasks.profile.__main__ as profile
import tasks.report.__main__ as report
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.measured import read_measured
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.onnx_predictor import (
    OnnxPredictor,
    build_predictor,
    predictor_contract,
)
from tasks.artifacts.params import build
from tasks.artifacts.predictor_parity import check_predictor_parity
from tests.browser import text
from tests.predictors import (
    DATASET,
    LEARNER,
    SEEDS,
    classifier,
    dots,
    hashed,
    method,
    study,
)

Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    study(tmp_path, classifier((64,)))

    def stage(command: Any, *more: str, learner: bool = True) -> None:
        names = ["--dataset", DATASET, "--learner", LEARNER] if learner else []
        monkeypatch.setattr(sys, "argv", ["stage", *names, *more])
        command.main()

    return stage


def whole(run: Run, variants: tuple[str, ...] = ("float32", "w8")) -> None:
    for variant in variants:
        run(compress, "--compressor", variant)
        run(export, "--variant", variant)
        run(evaluate, "--variant", variant, "--metric", "accuracy")


def test_a_predictor_goes_all_the_way(run: Run, tmp_path: Path):
    whole(run)
    run(profile)
    run(report, learner=False)
    rows = dots().split("test")
    net = classifier((64,))
    with torch.no_grad():
        logits = net.answer({"image": torch.from_numpy(rows["image"])}).numpy()
    hits = logits.argmax(-1) == rows["label"]  # (S, N)
    folder = tmp_path / "data/evaluations" / DATASET / LEARNER / "float32/accuracy"
    table, told = read_measured(folder, "dvc repro")
    assert np.array_equal(table.table(), hits)
    assert told["value"]["mean"] == pytest.approx(hits.mean())
    assert (told["unit"], told["better"]) == ("of the rows", "higher")
    assert (told["replicate"], told["replicates"]) == ("row", 30)
    numbers = json.loads((tmp_path / "data/report/table.json").read_text())
    shown = numbers[DATASET][LEARNER]
    assert shown["w8"]["accuracy"]["better"] == "higher"
    assert "difference" in shown["w8"]["accuracy"]
    assert shown["w8"]["ratio"] < 1
    page = (tmp_path / "data/report/index.html").read_text(encoding="utf-8")
    said = text(page)
    assert "of the rows, higher is better" in said
    for word in ("of 100 at", "normalised, IQM", 'id="summary"', 'id="pareto"'):
        assert word not in page.partition("<h2>Words</h2>")[0]
    readme = tmp_path / "data/onnx" / DATASET / LEARNER / "w8/README.md"
    assert "| input | `image` | float32 |" in readme.read_text(encoding="utf-8")


def test_one_seed_has_a_bootstrap_of_its_rows(run: Run, tmp_path: Path):
    from tasks.evaluate.engine.measuring import whole as over

    metric = build(method("evaluate", "accuracy"), "evaluate.accuracy")
    table = (np.random.default_rng(0).random((1, 400)) < 0.8).astype(np.float64)
    value = over(table, metric.params)
    assert value["of"] == "file"
    width = 2 * 1.96 * np.sqrt(0.16 / 400)
    assert value["high"] - value["low"] == pytest.approx(width, rel=0.15)
    assert over(np.repeat(table, 3, 0), metric.params)["of"] == "seeds"


def test_a_return_is_refused_of_a_predictor(run: Run):
    whole(run, ("float32",))
    for more in ((), ("--metric", "returns")):
        with pytest.raises(
            RefusedError, match="a predictor, of which returns says"
        ) as e:
            run(evaluate, "--variant", "float32", *more)
        assert "--metric accuracy" in str(e.value)
    with pytest.raises(
        RefusedError, match="evaluate.accurcy: .* did you mean accuracy"
    ):
        run(evaluate, "--variant", "float32", "--metric", "accurcy")


def test_what_acts_in_worlds_does_not_take_it(run: Run):
    with pytest.raises(RefusedError, match="found PlainPredictor, expected one Int8"):
        run(compress, "--compressor", "int8_static")
    whole(run, ("float32",))
    file = Path("data/onnx") / DATASET / LEARNER / "float32/seed-0.onnx"
    with pytest.raises(RefusedError, match="kind: found a predictor, expected a pol"):
        OnnxPolicy.open(file)
    with pytest.raises(
        offcut.RefusedError, match="a predictor, which acts in no world"
    ):
        offcut.Policy.open(file)


def test_a_file_with_another_normaliser_fails_parity(run: Run, tmp_path: Path):
    net, other = classifier(), classifier()
    other.mean += 0.01
    contract = predictor_contract(net, 0, hashed(tmp_path, net), "exact")
    rows = {name: np.tile(x.T, 20).T for name, x in dots().arrays.items()}
    draw = np.random.default_rng(0)
    for made, fails in ((net, False), (other, True)):
        model = build_predictor(made, 0).SerializeToString()
        file = OnnxPredictor(model, contract, "exact")
        given = (Path("x.onnx"), net, 0, file, rows, draw, 1e-5)
        if fails:
            with pytest.raises(RefusedError, match="parity: found a difference of"):
                check_predictor_parity(*given)
        else:
            assert check_predictor_parity(*given)["rows"] > 1200


def test_inputs_of_another_shape_are_refused(run: Run):
    whole(run, ("float32",))
    file = Path("data/onnx") / DATASET / LEARNER / "float32/seed-1.onnx"
    predictor = OnnxPredictor.open(file)
    with pytest.raises(RefusedError, match=r"inputs.image: found \(3,\), expected \(4"):
        predictor({"image": np.zeros((2, 3))})
    with pytest.raises(RefusedError, match="inputs.image: found nothing"):
        predictor({"picture": np.zeros((2, 4))})
    assert len(SEEDS) == 2
