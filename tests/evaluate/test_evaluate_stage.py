"""The stage's command: outputs, the same bytes again, what it refuses."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.files import sha256
from tasks.artifacts.stage import run_stage
from tasks.evaluate.__main__ import main
from tests.variant_files import (
    DATASET,
    LEARNER,
    onnx_folder,
    policy,
    study,
    world,
    write,
)

GAINS = {"pendulum": [[0.3, -1, 0.2]], "hopper": np.full((3, 11), 0.05)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A study of two seeds, float32 exported; call it to run the stage."""
    monkeypatch.chdir(tmp_path)
    where = study(tmp_path)
    write(
        onnx_folder(tmp_path, "float32"),
        policy(where, 2, GAINS["pendulum"], noise=0.05),
        where,
        "float32",
    )

    def run(
        variant: Any = "float32", dataset: Any = DATASET, learner: Any = LEARNER
    ) -> Any:
        arguments = ["--dataset", dataset, "--learner", learner, "--variant", variant]
        monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
        return run_stage(main)

    run.root, run.world = tmp_path, where
    run.out = tmp_path / "data/evaluations" / DATASET / LEARNER / "float32"
    run.files = onnx_folder(tmp_path, "float32")
    return run


def test_stage_writes_the_same_bytes_again(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place() == 0
    assert "return" in capsys.readouterr().out
    first = sha256(place.out)
    assert place() == 0
    assert sha256(place.out) == first
    assert sorted(p.name for p in place.out.iterdir()) == [
        "episodes.parquet",
        "metrics.json",
    ]


def test_stage_outputs(place: Any) -> None:
    place()
    metrics = json.loads((place.out / "metrics.json").read_text())
    assert (metrics["world"], metrics["mode"]) == ("pendulum", "exact")
    assert (metrics["seeds"], metrics["episodes"]) == ([0, 1], 6)
    assert metrics["session"]["threads"] == 1
    table = Episodes.read(place.out / "episodes.parquet")
    assert table.returns.mean() == metrics["return"]["mean"]
    assert table.terminated.dtype == bool
    assert table.seed.dtype == table.start_seed.dtype == np.int64


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"world": "hopper"}, "world: found hopper, expected pendulum"),
        ({"env_id": "Pendulum-v0"}, "env_id: found Pendulum-v0"),
        ({"step_seconds": 0.1}, "step_seconds: found 0.1, expected 0.05"),
        ({"carry": {"h": {}}}, "carry"),
        ({"carry": {"h": {"shape": ["batch", 0], "reset": 0.0}}}, "carry.h.shape"),
        ({"carry": {"h": {"shape": ["batch", 2]}}}, "carry.h.reset: found None"),
        ({"seed": 7}, "seed: found 7, expected 0"),
        ({"variant": "int8_static"}, "variant: found int8_static"),
        ({"learner": "iql"}, "learner: found iql, expected bc"),
        ({"dataset": {"name": "other", "sha256": "0"}}, "dataset.name: found other"),
        (
            {"outputs": {"action": {"shape": ["batch", 2], "low": [-2], "high": [2]}}},
            "outputs.action.shape",
        ),
        (
            {"outputs": {"action": {"shape": ["batch", 1], "low": [-1], "high": [2]}}},
            "outputs.action.low",
        ),
    ],
)
def test_contract_that_does_not_fit_is_refused(
    place: Any, capsys: pytest.CaptureFixture[str], changes: Any, named: Any
) -> None:
    where = place.world
    write(place.files, policy(where, 2, GAINS["pendulum"]), where, "float32", **changes)
    assert place() == 1
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1
    assert not place.out.exists()


def test_policy_of_another_width_is_refused(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    hopper = world("hopper")
    files = write(place.files, policy(hopper, 2, GAINS["hopper"]), hopper, "float32")
    stated = {"world": "pendulum", "env_id": "Pendulum-v1", "step_seconds": 0.05}
    write(
        files[0].parent, policy(hopper, 2, GAINS["hopper"]), hopper, "float32", **stated
    )
    assert place() == 1
    assert (
        "inputs.observation.shape: found [11], expected [3]" in capsys.readouterr().err
    )


def test_wrong_hash_is_refused(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with (place.files / "seed-1.onnx").open("ab") as stream:
        stream.write(b"\0")
    assert place() == 1
    assert "seed-1.onnx: sha256" in capsys.readouterr().err
    assert not place.out.exists()


def test_missing_file_is_refused(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.files / "seed-1.onnx").unlink()
    assert place() == 1
    assert "python -m tasks.export --dataset swings" in capsys.readouterr().err


def test_missing_dataset_is_refused(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.root / "data/datasets/swings-v0/world.json").unlink()
    assert place() == 1
    assert "python -m tasks.generate --dataset swings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ({"variant": "int8"}, "did you mean int8_static?"),
        ({"learner": "bd"}, "did you mean bc?"),
        ({"dataset": "swing"}, "did you mean swings?"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(
    place: Any, capsys: pytest.CaptureFixture[str], given: Any, nearest: Any
) -> None:
    assert place(**given) == 1
    assert nearest in capsys.readouterr().err


def test_failure_keeps_the_old_output(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place()
    before = sha256(place.out)
    monkeypatch.setattr("tasks.worlds.engine.episodes.REPORT_EVERY", 0)
    with pytest.raises(ZeroDivisionError):
        place()
    assert sha256(place.out) == before


def test_mode_can_be_asked_for(place: Any) -> None:
    path = place.root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["evaluate"]["returns"]["mode"] = "native"
    path.write_text(yaml.safe_dump(params))
    assert place() == 0
    assert json.loads((place.out / "metrics.json").read_text())["mode"] == "native"
