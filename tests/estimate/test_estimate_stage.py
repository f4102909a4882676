"""The stage: recorded data, ONNX files, metrics.json; what it refuses."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.dataset import write_dataset
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.stage import run_stage
from tasks.estimate import target
from tasks.estimate.__main__ import main
from tasks.generate.engine.recording import Plan, collect
from tasks.worlds.engine.behaviors import Network, open_behavior
from tests.estimate.logged import estimator, quiet
from tests.variant_files import (
    DATASET,
    LEARNER,
    WORLDS,
    method,
    onnx_folder,
    policy,
    study,
    world,
    write,
)

GAINS = [[0.3, -1, 0.2]]
FIT = {"hidden": [8], "updates": 20, "batch": 32, "samples": 2, "resamples": 100}
METHODS = {"fqe": FIT, "wis": {"resamples": 100}, "dr": FIT}


def record(where: Any, folder: Path, behaviors: list[Any], episodes: int = 4) -> Any:
    """A dataset of some behaviours, written and read."""
    parts = [(b, Plan(0, k, episodes, None, 4)) for k, b in enumerate(behaviors)]
    made = collect(where, parts, quiet)
    write_dataset(folder, folder.name, made, where, WORLDS[where.params.name])
    return load_transitions(folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A study with data of a random policy; call it to run an estimator."""
    monkeypatch.chdir(tmp_path)
    study(tmp_path)
    where = world("pendulum", max_steps=30)
    folder = tmp_path / "data/datasets" / f"{DATASET}-v0"
    record(where, folder, [open_behavior(tmp_path, where, "random", 0.0)])
    made = policy(where, 2, GAINS, "gaussian", noise=0.05)
    write(onnx_folder(tmp_path, "float32"), made, where, "float32")
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["study"]["estimators"] = list(METHODS)
    params["estimate"] = {
        name: method("estimate", name, **change) for name, change in METHODS.items()
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))

    def run(name: str) -> int:
        arguments = ["--dataset", DATASET, "--learner", LEARNER, "--estimator", name]
        monkeypatch.setattr(sys, "argv", ["estimate", *arguments])
        return run_stage(main)

    run.out = tmp_path / "data/estimates" / DATASET / LEARNER
    run.folder, run.world = folder, where
    return run


@pytest.mark.parametrize("name", list(METHODS))
def test_it_writes_an_estimate_and_the_same_again(
    place: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place(name) == 0
    assert "estimated discounted return" in capsys.readouterr().out
    metrics = json.loads((place.out / name / "metrics.json").read_text())
    assert (metrics["kind"], metrics["method"]) == ("estimate", name)
    assert (metrics["seeds"], metrics["variant"]) == ([0, 1], "float32")
    assert metrics["noise"] == (0.0 if name == "fqe" else 1.0)
    assert [row["seed"] for row in metrics["per_seed"]] == [0, 1]
    ends = metrics["discounted"]
    assert ends["low"] <= ends["mean"] <= ends["high"]
    data = load_transitions(place.folder)
    weights = np.tile(0.99 ** np.arange(30), 4)
    assert metrics["logged"]["discounted"] == pytest.approx(data.reward @ weights / 4)
    assert metrics["logged"]["undiscounted"] == pytest.approx(data.returns.mean())
    assert "return" not in metrics  # nobody may take it for one
    before = sha256(place.out / name)
    assert place(name) == 0
    assert sha256(place.out / name) == before


def test_what_is_missing_is_refused(
    place: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place("fqw") == 1
    assert "study.estimators.fqw: found an unknown name" in capsys.readouterr().err
    behaviour = Network("still", place.world.action_space, 0.0, opened())
    record(place.world, place.folder, [behaviour])
    assert place("wis") == 1
    assert "infos/log_prob: found nothing" in capsys.readouterr().err
    onnx_folder(Path(), "float32").joinpath("seed-1.onnx").unlink()
    assert place("fqe") == 1
    assert "python -m tasks.export" in capsys.readouterr().err
    assert not list(place.out.glob("*"))


def opened() -> OnnxPolicy:
    path = onnx_folder(Path(), "float32") / "seed-0.onnx"
    return OnnxPolicy.open(path, distribution=True)


@pytest.mark.parametrize("head", ["gaussian", "tanh"])
def test_a_policy_judged_on_its_own_data_gets_their_mean(
    tmp_path: Path, head: str
) -> None:
    """From recording to the estimate, noise and all: weights are 1 to 1e-3.

    The network's rounding in batches of other sizes is all that differs.
    """
    where = world("hopper", max_steps=20)
    made = policy(where, 1, np.full((3, 11), 0.3), head, 0.05)
    (path,) = write(tmp_path / "onnx", made, where, "float32")
    acts = OnnxPolicy.open(path, distribution=True)
    behaviour = Network("same", where.action_space, 0.8, acts)
    data = record(where, tmp_path / "hops-v0", [behaviour])
    assert data.log_prob is not None
    run = estimator("wis", noise=0.8, discount=1.0)
    found = run.estimate(data, {0: target(path, acts, data, 0.8)}, quiet)
    assert found["discounted"]["mean"] == pytest.approx(data.returns.mean(), rel=1e-3)
    assert found["effective"][0]["at_end"] == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"carry": {"x": {"shape": ["batch", 1], "reset": 0.0}}}, "carry"),
        ({"inputs": {"observation": {"shape": ["batch", 4]}}}, "inputs.observation"),
        (
            {
                "inputs": {
                    "observation": {"shape": ["batch", 3]},
                    "legal": {"shape": ["batch", 1]},
                }
            },
            "inputs: found",
        ),
    ],
)
def test_policies_that_do_not_fit_are_refused(
    place: Any, changes: Any, named: str
) -> None:
    acts = opened()
    acts.contract |= changes
    with pytest.raises(RefusedError, match=named):
        target(Path("x.onnx"), acts, load_transitions(place.folder), 0.0)


def test_noise_that_is_no_gaussian_heads_is_refused(place: Any) -> None:
    """A file whose noise input feeds something else, as a generative policy's."""
    path = onnx_folder(Path(), "float32") / "seed-0.onnx"
    acts, data = OnnxPolicy.open(path), load_transitions(place.folder)
    assert not acts.has_head
    with pytest.raises(RefusedError, match="gaussian head"):
        target(path, acts, data, 1.0)
    assert target(path, acts, data, 0.0)(data.observation).mean.shape == (120, 1)
