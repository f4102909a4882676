"""The command that brings data: what it says, copies, writes and refuses."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.dataset import load_episodes
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.stage import run_stage
from tasks.code.check import check
from tasks.generate.__main__ import main as generate
from tasks.generate.engine.importing.__main__ import main
from tasks.generate.engine.importing.options import understood
from tests.generate.test_import_minari import buffer, stored

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "data/sources/pendulum_logs/logs.npz"
BOUNDS = "action_low=-2 action_high=2"
DATASET, STUDY = Path("params/dataset/plant.yaml"), Path("params/study/plant.yaml")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the parameters and DVC; beside it what the user has."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "params", folder / "params")
    (tmp_path / "mine").mkdir()
    shutil.copy(SOURCE, tmp_path / "mine/logs.npz")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    return folder


def bring(monkeypatch: pytest.MonkeyPatch, *words: str, **said: str) -> int:
    options = [f"--{key}={value}" for key, value in said.items()]
    monkeypatch.setattr(sys, "argv", ["importing", *options, *words])
    return run_stage(main)


def brought(monkeypatch: pytest.MonkeyPatch, *words: str, **said: str) -> int:
    given = {"source": "../mine/logs.npz", "name": "plant", "options": BOUNDS}
    return bring(monkeypatch, *words, **given | said)


def make(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The dataset, as the stage makes it; its card."""
    Path("params.yaml").write_text(composed(["study=plant"]))
    monkeypatch.setattr(sys, "argv", ["generate", "--dataset", "plant"])
    assert run_stage(generate) == 0
    return read_json(Path("data/datasets/plant-v0/card.json"), "make study")


def test_a_source_is_copied_and_becomes_a_study_and_a_dataset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    before = sha256(Path("../mine/logs.npz"))
    assert brought(monkeypatch) == 0
    said = capsys.readouterr().out
    for words in (
        "8, 480 steps",
        "3 numbers",
        "no world: estimates alone",
        "NAME=plant",
    ):
        assert words in said
    assert sha256(Path("../mine/logs.npz")) == before
    assert sha256(Path("data/sources/plant/logs.npz")) == before
    assert "path: plant" in Path("data/sources/plant.dvc").read_text()
    params = yaml.safe_load(composed(["study=plant"]))
    check(params)
    assert params["study"]["played"] == []
    assert params["study"]["estimators"] == ["fqe"]
    assert params["imported"]["plant"]["world"]["max_steps"] == 60
    card = make(monkeypatch)
    assert (card["episodes"], card["steps"]) == (8, 480)
    assert card["imported"]["format"] == "npz"
    assert card["imported"]["source_sha256"] == sha256(Path("data/sources/plant"))
    assert card["imported"]["options"]["action_low"] == [-2]
    episodes, block = load_episodes(Path("data/datasets/plant-v0"))
    assert block["_target_"] == "tasks.worlds.logged.Logged"
    assert episodes[0].metadata["logged_as"] == "episode 0, rows 0 to 59"


def test_again_after_the_source_changed(monkeypatch: pytest.MonkeyPatch):
    assert brought(monkeypatch) == 0
    tracked = Path("data/sources/plant.dvc").read_text()
    STUDY.write_text(STUDY.read_text().replace("5_000", "7"))
    arrays = {"observations": np.ones((4, 3)), "actions": np.zeros((4, 1))}
    arrays |= {"rewards": np.arange(4.0), "timeouts": np.arange(4) == 3}
    np.savez("../mine/logs.npz", **arrays)
    assert brought(monkeypatch, options="action_low=-1 action_high=1") == 0
    assert Path("data/sources/plant.dvc").read_text() != tracked
    assert "updates: 7 " in STUDY.read_text()
    assert make(monkeypatch)["steps"] == 3


def test_returns_that_are_all_the_same_are_not_scaled_by(
    monkeypatch: pytest.MonkeyPatch,
):
    assert brought(monkeypatch, options=f"{BOUNDS} episodes=0:1") == 0
    params = yaml.safe_load(composed(["study=plant"]))
    assert params["train"]["iql"]["reward_scale"] == "none"


def test_a_look_writes_nothing(monkeypatch: pytest.MonkeyPatch, project: Path):
    before = sha256(project)
    assert brought(monkeypatch, "--dry") == 0
    assert sha256(project) == before


def test_a_world_is_named_and_scores(monkeypatch: pytest.MonkeyPatch):
    assert brought(monkeypatch, options="", world="pendulum") == 0
    params = yaml.safe_load(composed(["study=plant"]))
    check(params)
    assert params["study"]["played"] == ["plant"]
    assert params["study"]["estimators"] == []
    assert make(monkeypatch)["score_mean"] == pytest.approx(72.1, abs=0.1)


def test_a_link_instead_of_a_copy(monkeypatch: pytest.MonkeyPatch):
    assert brought(monkeypatch, "--link") == 0
    place = Path("data/sources/plant")
    assert place.is_symlink()
    assert not place.with_name("plant.dvc").exists()
    assert make(monkeypatch)["steps"] == 480
    assert brought(monkeypatch) == 0  # a copy in place of the link
    assert place.is_dir()
    assert not place.is_symlink()
    assert Path("../mine/logs.npz").exists()


def test_what_is_said_of_the_world_of_logs(monkeypatch: pytest.MonkeyPatch):
    options = f"{BOUNDS} step_seconds=0.05 ref_scores=-1200,-150"
    assert brought(monkeypatch, options=options) == 0
    world = yaml.safe_load(DATASET.read_text())["world"]
    assert world["step_seconds"] == 0.05
    assert (world["ref_min"], world["ref_max"]) == (-1200, -150)
    assert make(monkeypatch)["score_mean"] == pytest.approx(71.6, abs=0.1)


def test_a_dataset_of_minaris_store_by_its_id(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    stored(tmp_path / ".minari/datasets", "arrow", buffer())
    assert bring(monkeypatch, "--dry", source="ns/thing/expert-v7", name="x") == 0
    said = capsys.readouterr().out
    assert "minari, " in said
    assert "(WORLD=pendulum is of that environment)" in said
    assert bring(monkeypatch, source="mujoco/hopper/medium-v0", name="x") == 1
    said = capsys.readouterr().err
    assert "get it with: minari download mujoco/hopper/medium-v0" in said


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"source": "../mine/none.csv"}, "SRC: source: found '../mine/none.csv'"),
        ({"name": "smoke"}, "params/study/smoke.yaml: NAME: found another's name"),
        ({"name": "hopper_medium"}, "params/dataset/hopper_medium.yaml: NAME"),
        ({"name": "hopper_random_obs"}, "params/corruption/hopper_random_obs.yaml"),
        ({"options": "ende=x"}, "OPTIONS: ende: found no such option.*mean end"),
        ({"options": "end=never"}, "OPTIONS.end: found never|OPTIONS.end: found 'nev"),
        ({"options": "map={a: 1}"}, "OPTIONS: map: found no such option"),
        ({"options": "'end"}, "OPTIONS: text: found No closing quotation"),
        ({"options": "obs_keys=${x}"}, "a name without"),
        ({"map": "nowhere.yaml"}, "nowhere.yaml: MAP: found"),
        ({"world": "hoper"}, "WORLD: hoper: found no such world.*did you mean hopper"),
        ({"world": "hopper", "options": ""}, "1 a step, expected 3 numbers a step"),
        ({"world": "pendulum", "options": "step_seconds=1"}, "the world pendulum's"),
        ({"options": ""}, 'OPTIONS="action_low=-2 action_high=2"'),
    ],
)
def test_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    project: Path,
    said: dict[str, str],
    match: str,
):
    before = sha256(project)
    assert brought(monkeypatch, **said) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert re.search(match, line), line
    assert sha256(project) == before


def test_a_name_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["x", "--source=a", "--name=../x"])
    assert run_stage(main) == 1


def test_a_place_that_holds_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    place = Path("data/sources/plant")
    place.mkdir(parents=True)
    (place / "mine.csv").write_text("1,2\n")
    assert brought(monkeypatch) == 1
    assert "something that no import put there" in capsys.readouterr().err
    assert (place / "mine.csv").read_text() == "1,2\n"
    assert not DATASET.exists()


def test_a_source_that_is_gone_or_refused_leaves_no_dataset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert brought(monkeypatch) == 0
    Path("params.yaml").write_text(composed(["study=plant"]))
    shutil.rmtree("data/sources/plant")
    monkeypatch.setattr(sys, "argv", ["generate", "--dataset", "plant"])
    assert run_stage(generate) == 1
    assert "data/sources/plant: source: found nothing" in capsys.readouterr().err
    assert not Path("data/datasets/plant-v0").exists()


def test_options_are_values_of_yaml():
    said = understood(
        "episodes=0:5 action_low=-1,1 obs_keys=a clip_actions=true", "", "x"
    )
    assert said.changed == {
        "episodes": "0:5",
        "action_low": [-1, 1],
        "obs_keys": ["a"],
        "clip_actions": True,
    }
    assert said.options.source == "x"


def test_a_method_that_reads_belongs_to_the_block_of_imports(
    monkeypatch: pytest.MonkeyPatch,
):
    assert brought(monkeypatch) == 0
    params = yaml.safe_load(composed(["study=plant"]))
    params["dataset"] = params.pop("imported")
    params["imported"] = {}
    with pytest.raises(RefusedError, match=r"compose it as /dataset@imported\.plant"):
        check(params)
