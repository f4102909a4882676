"""How far actions are from the parent's: by hand, in the stage, with a memory."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.stage import run_stage
from tasks.evaluate.__main__ import main
from tasks.evaluate.engine.agreement import Watched, errors, logged
from tasks.evaluate.engine.sample import Sample
from tasks.evaluate.returns import play
from tasks.worlds.engine.behaviors import open_behavior
from tests.estimate.test_estimate_stage import record
from tests.evaluate.test_play_choices import files as choices
from tests.evaluate.test_returns import quiet
from tests.nets.transformers import transformer
from tests.variant_files import (
    DATASET,
    LEARNER,
    onnx_folder,
    policy,
    study,
    world,
    write,
)
from tests.worlds.harness import load

GAINS, OTHER = [[0.3, -1, 0.2]], [[0.3, -1, 0.1]]


def test_every_row_is_kept_with_the_same_probability():
    sample, at = Sample(1000), 0
    for count in (1, 7, 500, 900, *[64] * 300):
        sample.see({"row": np.arange(at, at + count), "twice": np.zeros((count, 2))})
        at += count
    kept = sample.rows()
    assert kept["twice"].shape == (1000, 2)
    rows = kept["row"].astype(int)
    assert len(set(rows)) == 1000
    tenths = np.bincount(rows * 10 // at, minlength=10)
    assert tenths.sum() == 1000
    assert (np.abs(tenths - 100) < 4 * np.sqrt(100 * 0.9)).all()


def test_few_rows_are_all_kept():
    sample = Sample(10)
    for at in range(0, 9, 3):
        sample.see({"row": np.arange(at, at + 3)})
    assert sample.rows()["row"].tolist() == list(range(9))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A study whose int8_static has another third gain; call it to play a variant."""
    monkeypatch.chdir(tmp_path)
    study(tmp_path)
    where = world("pendulum")
    folder = tmp_path / "data/datasets" / f"{DATASET}-v0"
    record(where, folder, [open_behavior(tmp_path, where, "random", 0.0)], 8)
    for variant, gains in (("float32", GAINS), ("int8_static", OTHER)):
        files = onnx_folder(tmp_path, variant)
        write(files, policy(where, 2, gains, noise=0.05), where, variant)

    def run(variant: str) -> dict[str, Any]:
        arguments = ["--dataset", DATASET, "--learner", LEARNER, "--variant", variant]
        monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
        assert run_stage(main) == 0
        out = tmp_path / "data/evaluations" / DATASET / LEARNER / variant
        return json.loads((out / "metrics.json").read_text())

    run.root = tmp_path
    return run


def test_the_stage_says_it_of_a_compressed_variant(place: Any):
    assert "action_error" not in place("float32")
    stated = place("int8_static")["action_error"]
    rows = logged(place.root / "data/datasets" / f"{DATASET}-v0")["observation"]
    apart = []
    for seed in (0, 1):
        ours, theirs = (
            OnnxPolicy.open(onnx_folder(place.root, v) / f"seed-{seed}.onnx").act(rows)
            for v in ("int8_static", "float32")
        )
        apart.append(np.abs(ours - theirs) / 2)  # actions lie in -2..2
    assert stated["data"]["mean"] == pytest.approx(np.mean(apart), rel=1e-5)
    assert stated["data"]["max"] == pytest.approx(np.max(apart), rel=1e-5)
    assert 0 < stated["visited"]["mean"] < stated["visited"]["max"] <= 2
    # the third gain differs, which is of the speed: up to 8, and small once upright
    assert stated["visited"]["mean"] != pytest.approx(stated["data"]["mean"], rel=0.02)
    assert place("int8_static")["action_error"] == stated


def test_a_broken_parent_is_refused(place: Any, capsys: pytest.CaptureFixture[str]):
    with (onnx_folder(place.root, "float32") / "seed-1.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(AssertionError):
        place("int8_static")
    assert "float32/seed-1.onnx: sha256" in capsys.readouterr().err


def test_of_choices_it_is_the_share_that_differs(tmp_path: Path):
    where = load("taxi", max_steps=20)
    path, _ = choices(tmp_path / "a", where, True)
    _, parent = choices(tmp_path / "b", where, True, seed=1)
    file = Watched.open(path)
    play(where.make(4), file, 0, np.arange(4), quiet)
    rows = file.visited.rows()
    assert sorted(rows) == ["legal", "observation", "reward"]
    told = errors(
        {0: file}, {0: parent}, {k: rows[k] for k in ("legal", "observation")}
    )
    differs = file.act(rows["observation"], legal=rows["legal"]) != parent.act(
        rows["observation"], legal=rows["legal"]
    )
    assert told["data"] == told["visited"]
    assert told["data"] == {"mean": differs.mean(), "max": differs.mean()}
    assert 0.1 < differs.mean() < 1


def test_a_memory_is_compared_where_it_acted_alone(tmp_path: Path):
    where = world("pendulum", max_steps=12)
    made, paths = transformer(seeds=(0,)), {}
    paths["float32"] = write(tmp_path / "a", made, where, "float32")[0]
    for parameter in made.parameters():
        parameter.data.mul_(1.01)
    paths["gptq4"] = write(tmp_path / "b", made, where, "gptq4")[0]
    file, parent = Watched.open(paths["gptq4"]), OnnxPolicy.open(paths["float32"])
    play(where.make(3), file, 0, np.arange(3), quiet)
    rows = {"observation": np.zeros((5, 3), np.float32)}
    told = errors({0: file}, {0: parent}, rows)
    assert list(told) == ["visited"]
    assert 0 < told["visited"]["mean"] < 1
    plain = write(tmp_path / "c", policy(where, 1, GAINS), where, "float32")[0]
    assert errors({0: file}, {0: OnnxPolicy.open(plain)}, rows) == {}
