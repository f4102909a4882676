"""The door of learners of tables: what the stages write, and what they refuse."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.artifacts.policy import load_policy
from tasks.artifacts.sealed import write_sealed
from tasks.compress.cores.rows import Rows
from tasks.learn import Trials
from tasks.learn.__main__ import main
from tasks.learn.engine import tables
from tests.train import harness
from tests.variant_files import method

WORLD = yaml.safe_load(Path("params/world/dynamical_linear_bandit.yaml").read_text())
Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(learner, world, **changes of the study)`` in an empty project."""
    monkeypatch.chdir(tmp_path)
    source = Path("data/datasets/arms-v0")
    source.mkdir(parents=True)

    def of(learner: str, world: Any = WORLD, **changes: Any) -> Path:
        content = {"schema": 2, "world": world, "step_seconds": 1.0}
        write_sealed(source / "world.json", content)
        (source / "card.json").write_text(json.dumps({"sha256": "ab" * 32}))
        study = {"seeds": [3, 1], "updates": 1, "batch": 8, "snapshots": 0}
        study |= {"precision": "float32", "processes": 1, "device": "cpu"}
        names = ("dynlin_ucb", "ucb1")
        params = {
            "study": study | {"steps": 300} | changes,
            "dataset": {"arms": {}},
            "learn": {name: harness.block(name) for name in names},
        }
        Path("params.yaml").write_text(yaml.safe_dump(params))
        arguments = ["learn", "--dataset", "arms", "--learner", learner]
        monkeypatch.setattr(sys, "argv", arguments)
        main()
        return Path("data/policies/arms") / learner

    return of


def test_it_writes_a_policy_with_curves_of_regret(run: Run):
    folder = run("dynlin_ucb")
    names = {"policy.json", "policy.safetensors", "curves.csv"}
    assert {file.name for file in folder.iterdir()} == names
    policy, origin = load_policy(folder)
    assert origin["learned"] == {"steps": 300, "states": 1}
    assert (origin["world"], origin["step_seconds"]) == (WORLD["name"], 1.0)
    assert (origin["seeds"], origin["updates"], policy.seeds) == ([3, 1], 300, 2)
    lines = (folder / "curves.csv").read_text().splitlines()
    assert lines[0] == "update,seed,regret,best_arm"
    assert lines[-1].startswith("300,1,")
    middle = [line for line in lines if line.startswith("150,")]
    assert len(middle) == 2
    regret = [float(line.split(",")[2]) for line in lines[1:] if ",3," in line]
    assert regret == sorted(regret)


def test_twice_writes_the_same_bytes(run: Run):
    def files() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in run("ucb1").iterdir()}

    assert files() == files()


def test_more_trials_are_more_seeds_of_the_study(run: Run):
    """And a trial is the same among others."""
    few = (run("ucb1") / "curves.csv").read_text()
    many = (run("ucb1", seeds=[0, 3, 7]) / "curves.csv").read_text()
    assert few != many

    def third(text: str) -> list[str]:
        return [line for line in text.splitlines() if ",3," in line]

    assert third(few) == third(many)


def test_a_world_that_knows_no_optimum_is_refused(run: Run):
    pendulum = yaml.safe_load((Path(__file__).parents[2] / PENDULUM).read_text())
    with pytest.raises(RefusedError, match="pendulum, which has no exact") as refused:
        run("ucb1", pendulum)
    assert "\n" not in str(refused.value)
    assert not Path("data/policies").exists()


PENDULUM = "params/world/pendulum.yaml"


def test_what_was_learned_has_to_be_numbers(monkeypatch: pytest.MonkeyPatch):
    def nonsense(self: Any, tell: Any) -> Trials:
        values = np.full((1, 1, 6), np.nan)
        return Trials(values, np.array([9]), {"regret": np.zeros((1, 1))})

    monkeypatch.setattr("tasks.learn.ucb1.UCB1.learn", nonsense)
    world = build(WORLD, "world")
    with pytest.raises(RefusedError, match="values: found infinite or no numbers"):
        tables.learned("ucb1", harness.block("ucb1"), world, [0], 9, print)


def test_there_is_nothing_to_compress(run: Run):
    """float32 takes it as it is; others refuse it in one line, and write nothing."""
    policy, origin = load_policy(run("ucb1"))
    rows = Rows(torch.zeros(40, 1), "arms", "ab", tuple(origin["seeds"]))
    same, report = build(method("compress", "float32"), "compress").compress(
        policy, rows
    )
    assert report["bytes_weights"] == report["bytes_weights_before"] == 6 * 4
    assert same.table.values.equal(policy.table.values)
    for name in ("int8_static", "distill", "w8", "structured", "gptq4"):
        small = build(method("compress", name), "compress")
        with pytest.raises(RefusedError, match=r"nothing to compress|can take") as e:
            small.compress(policy, rows)
        assert "\n" not in str(e.value)
