"""The command of the stage: what it writes, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.policy import load_policy
from tasks.artifacts.sealed import write_sealed
from tasks.code import made_by
from tasks.learn.__main__ import main
from tasks.loggers import LOGGERS, VARIABLE
from tests.learn.online import SMALL
from tests.train import harness
from tests.variant_files import WORLDS

Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(learner, **changes of the study)`` in an empty project."""
    monkeypatch.chdir(tmp_path)
    source = Path("data/datasets/tiny-v0")
    source.mkdir(parents=True)
    world = WORLDS["pendulum"] | {"max_steps": 20}
    write_sealed(source / "world.json", {"schema": 2, "world": world} | STEP)
    (source / "card.json").write_text(json.dumps({"sha256": "ab" * 32}))

    def of(learner: str, **changes: Any) -> Path:
        study = {"seeds": [3, 1], "updates": 1, "batch": 8, "snapshots": 0, "steps": 60}
        study |= {"precision": "float32", "processes": 1, "device": "cpu"} | changes
        params = {"study": study, "dataset": {"tiny": {}}, "learn": blocks()}
        Path("params.yaml").write_text(yaml.safe_dump(params))
        arguments = ["learn", "--dataset", "tiny", "--learner", learner]
        monkeypatch.setattr("sys.argv", arguments)
        main()
        return Path("data/policies/tiny") / learner

    return of


STEP = {"step_seconds": 0.05}


def blocks() -> dict[str, Any]:
    return {name: harness.block(name, **SMALL) for name in ("sac", "dqn")}


def test_it_writes_a_policy_with_curves_and_where_it_learned(run: Run):
    folder = run("sac", snapshots=2)
    names = {"policy.json", "policy.safetensors", "curves.csv", "snapshots"}
    assert {file.name for file in folder.iterdir()} == names
    policy, origin = load_policy(folder)
    assert policy.seeds == 2
    assert origin == {
        "seeds": [3, 1],
        "learner": "sac",
        "learned": {"steps": 60},
        "dataset": "tiny",
        "dataset_sha256": "ab" * 32,
        "world": "pendulum",
        "env_id": "Pendulum-v1",
        "step_seconds": 0.05,
        "updates": 60,
        "made_by": [made_by("learn", "sac", blocks()["sac"])],
    }
    curves = (folder / "curves.csv").read_text().splitlines()
    head = "update,seed,return,critic_loss,actor_loss,entropy,value"
    assert curves[0] == head
    assert curves[-1].startswith("60,1,")
    whole = (folder / "policy.safetensors").read_bytes()
    assert (folder / "snapshots/60/policy.safetensors").read_bytes() == whole
    assert load_policy(folder / "snapshots/30")[1]["updates"] == 30
    assert not list(Path(".offcut/checkpoints").iterdir())


def test_twice_writes_the_same_bytes(run: Run):
    def files() -> dict[str, bytes]:
        folder = run("sac")
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    assert files() == files()


def test_a_logger_gets_the_curves_and_changes_no_byte(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    curves = (run("sac") / "curves.csv").read_bytes()
    monkeypatch.setitem(LOGGERS, "recording", ("tests.loggers.recording", "json"))
    monkeypatch.setenv(VARIABLE, "recording")
    assert (run("sac") / "curves.csv").read_bytes() == curves
    files = sorted(Path(".offcut/logs/recording").rglob("*.txt"))
    assert [file.name.split("-")[1] for file in files] == ["1", "3"]
    rows = [line.split(",")[0] for line in curves.decode().split() if ",1," in line]
    assert [line.split()[0] for line in files[0].read_text().split("\n")[:-2]] == rows


def test_processes_share_the_seeds(run: Run):
    whole, _ = load_policy(run("sac"))
    shared, _ = load_policy(run("sac", processes=2))
    for name, tensor in whole.state_dict().items():
        other = shared.state_dict()[name]
        assert tensor.allclose(other, atol=1e-5, rtol=0), name


def test_a_learner_of_other_actions_is_refused(run: Run):
    with pytest.raises(RefusedError, match=r"continuous actions of tiny: sac"):
        run("dqn")
    assert not Path("data/policies").exists()


def test_no_steps_to_learn_in_are_refused(run: Run):
    with pytest.raises(
        RefusedError, match=r"study.steps: found 30, expected more than"
    ):
        run("sac", steps=30)
