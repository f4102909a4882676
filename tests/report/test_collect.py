"""A study that is not whole is refused with the command that mends it."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from tasks.artifacts.curves import read_curves
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.sealed import SEAL, sealed
from tasks.artifacts.stage import run_stage
from tasks.report.__main__ import main
from tests.study_files import replace_table, state_curves

Make = Callable[..., Path]
Patch = pytest.MonkeyPatch
LEAF = "hopper_mixed/bc/int8_static"
OPTIONS = "--dataset hopper_mixed --learner bc"


@pytest.fixture
def root(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", ["report"])
    return make_study(learners=("bc",), variants=("float32", "int8_static"))


def refusal(root: Path) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        main()
    assert not (root / "data/report").exists(), "something was written"
    return caught.value


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        (f"evaluations/{LEAF}", f"evaluate {OPTIONS} --variant int8_static"),
        (
            f"evaluations/{LEAF}/episodes.parquet",
            f"evaluate {OPTIONS} --variant int8_static",
        ),
        (f"compressed/{LEAF}", f"compress {OPTIONS} --compressor int8_static"),
        (f"profiles/{LEAF}/static.json", f"profile {OPTIONS}"),
        (f"onnx/{LEAF}/seed-1.json", f"export {OPTIONS} --variant int8_static"),
        (f"onnx/{LEAF}/seed-1.onnx", f"export {OPTIONS} --variant int8_static"),
        ("policies/hopper_mixed/bc/curves.csv", f"train {OPTIONS}"),
        ("datasets/hopper_mixed-v0", "generate --dataset hopper_mixed"),
    ],
)
def test_what_is_missing_is_named_with_its_command(
    root: Path, missing: str, command: str
):
    path = root / "data" / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    error = refusal(root)
    assert Path(missing).name in error.where or "nothing" in error.found
    assert error.mend.endswith(f"python -m tasks.{command}")


def test_a_chain_is_made_again_after_its_first(make_study: Make, monkeypatch: Patch):
    monkeypatch.setattr(sys, "argv", ["report"])
    root = make_study(learners=("bc",), variants=("float32", "distill-int8_static"))
    shutil.rmtree(root / "data/compressed/hopper_mixed/bc/distill-int8_static")
    assert refusal(root).mend.endswith("--compressor int8_static --after distill")


def test_the_command_says_it_in_one_line(
    root: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.rmtree(root / "data/evaluations")
    assert run_stage(main) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "metrics.json" in said
    assert "python -m tasks.evaluate" in said


def change(path: Path, field: str, value: object) -> None:
    document = json.loads(path.read_text())
    document[field] = value
    document = sealed(document) if SEAL in document else document
    path.write_text(json.dumps(document))


def test_a_variant_of_another_dataset_is_refused(root: Path):
    change(root / "data/datasets/hopper_mixed-v0/card.json", "sha256", "0" * 64)
    assert refusal(root).field == "dataset.sha256"


def test_a_changed_onnx_file_is_refused(root: Path):
    (root / "data/onnx" / LEAF / "seed-0.onnx").write_bytes(b"another")
    assert refusal(root).field == "sha256"


def test_an_evaluation_of_something_else_is_refused(root: Path):
    change(root / "data/evaluations" / LEAF / "metrics.json", "variant", "gptq4")
    error = refusal(root)
    assert (error.field, error.found) == ("variant", "gptq4")


def test_a_file_without_a_field_is_refused(root: Path):
    change(
        root / "data/evaluations" / LEAF / "metrics.json",
        "score",
        {"mean": 1.0, "iqm": 1.0},
    )
    assert refusal(root).field == "score.low"


def test_seeds_that_were_not_played_are_refused(root: Path):
    place = root / "data/evaluations" / LEAF
    table = Episodes.read(place / "episodes.parquet")
    keep = table.seed < 2
    replace_table(place, Episodes(**{k: v[keep] for k, v in vars(table).items()}))
    error = refusal(root)
    assert (error.field, error.found) == ("seed", "[0, 1]")


def test_other_starts_cannot_be_paired(root: Path):
    place = root / "data/evaluations" / LEAF
    table = Episodes.read(place / "episodes.parquet")
    np.add(table.start_seed, 1, out=(moved := table.start_seed.copy()))
    parts = {n: getattr(table, n) for n in table.__dataclass_fields__}
    replace_table(place, Episodes(**{**parts, "start_seed": moved}))
    assert refusal(root).field == "start_seed"


def test_a_study_without_float32_is_refused(root: Path):
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["study"]["variants"] = ["int8_static"]
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    assert refusal(root).field == "study.variants"


def test_an_unknown_parameter_is_refused(root: Path):
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["report"]["html"]["hash_digit"] = 8
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    assert "hash_digits" in refusal(root).mend


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "content: found No columns"),
        (b"update,seed,loss\n", "rows: found none"),
        (b"update,seed,loss\n1,0,x\n", "loss: found type O, expected numbers"),
        (b"update,seed,loss\n1.5,0,1\n", "update: found type f, expected whole"),
        (b"update,seed,loss\n1,x,1\n", "seed: found type O, expected whole"),
        (b"update,loss\n1,1\n", "columns: found"),
        (b"update,seed,loss\n1,0\n1,2,3,4,5\n", "content: found"),
        (b"\xff\xfe\x00", "content: found|columns: found"),
    ],
)
def test_curves_that_are_no_numbers_are_refused(root: Path, content: bytes, match: str):
    path = root / "data/policies/hopper_mixed/bc/curves.csv"
    path.write_bytes(content)
    state_curves(path)
    with pytest.raises(RefusedError, match=match) as caught:
        read_curves(path.parent, "dvc repro")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loss", [b"0.5", b"1", b"nan", b"inf", b""])
def test_curves_with_gaps_are_read(root: Path, loss: bytes):
    path = root / "data/policies/hopper_mixed/bc/curves.csv"
    path.write_bytes(b"update,seed,loss\n1,0,0.5\n2,0," + loss + b"\n")
    state_curves(path)
    assert len(read_curves(path.parent, "dvc repro")) == 2


def test_curves_of_another_hash_are_refused(root: Path):
    path = root / "data/policies/hopper_mixed/bc/curves.csv"
    path.write_bytes(path.read_bytes()[:-5] + b"\n")
    with pytest.raises(RefusedError, match="curves.csv: sha256: found"):
        read_curves(path.parent, "dvc repro")
    change(path.with_name("policy.json"), "files", {})
    with pytest.raises(RefusedError, match=r"files.curves.csv: found nothing"):
        read_curves(path.parent, "dvc repro")
