"""The stage's command."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from tasks.artifacts.files import sha256
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.stage import run_stage
from tasks.generate.__main__ import main
from tests.code.edited import edited

ROOT = Path(__file__).parents[2]


def study(folder: Path, **changes: object) -> None:
    """A params.yaml with one small dataset."""
    world = yaml.safe_load(Path("params/world/pendulum.yaml").read_text("utf-8"))
    block = yaml.safe_load(Path("params/generate/rollout.yaml").read_text("utf-8"))
    block |= {"policy": "random", "episodes": 2, "steps": None}
    block |= changes
    dataset = {"tiny": {"world": world, "method": "rollout", "generate": block}}
    (folder / "params.yaml").write_text(yaml.safe_dump({"dataset": dataset}))


def run(name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["generate", "--dataset", name])
    return run_stage(main)


def test_it_writes_the_same_dataset_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    study(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run("tiny", monkeypatch) == 0
    folder = Path("data/datasets/tiny-v0")
    assert "2 episodes, 400 steps" in capsys.readouterr().out
    assert len(load_transitions(folder).reward) == 400
    before = sha256(folder)
    assert run("tiny", monkeypatch) == 0
    assert sha256(folder) == before
    assert [p.name for p in folder.parent.iterdir()] == ["tiny-v0"]


def test_it_says_which_code_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Who loads the class that world.json names runs again when its code changes."""
    study(tmp_path)
    monkeypatch.chdir(tmp_path)

    def made_by() -> list[dict[str, str]]:
        assert run("tiny", monkeypatch) == 0
        text = Path("data/datasets/tiny-v0/world.json").read_text()
        return json.loads(text)["made_by"]

    before = made_by()
    assert [m["method"] for m in before] == ["worlds.pendulum", "generate.rollout"]
    edited(monkeypatch, "tasks/worlds/cores/classic_control.py")
    after = made_by()
    assert after[0]["code_sha256"] != before[0]["code_sha256"]
    assert after[0]["params_sha256"] == before[0]["params_sha256"]
    assert after[1] == before[1]
    with monkeypatch.context() as elsewhere:
        elsewhere.chdir(ROOT)
        study(tmp_path, seed=1)
    changed = made_by()
    assert changed[0] == after[0]
    assert changed[1]["params_sha256"] != before[1]["params_sha256"]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("tine", {}, "dataset.tine: found an unknown name, expected one of tiny"),
        ("tiny", {"policy": "gone"}, "gone.onnx: policy: found nothing"),
        ("tiny", {"seed": -1}, "dataset.tiny.generate.seed: found -1"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    name: str,
    changes: dict[str, object],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    study(tmp_path, **changes)
    monkeypatch.chdir(tmp_path)
    assert run(name, monkeypatch) == 1
    error = capsys.readouterr().err
    assert error.startswith("refused: ")
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("data/datasets/*"))
