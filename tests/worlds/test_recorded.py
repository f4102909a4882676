"""A dataset names a world of this project or is refused, and runs nothing."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.recorded import write_world
from tasks.artifacts.sealed import write_sealed
from tasks.code.check import check
from tasks.worlds.engine.recorded import read_checked, recorded_world

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "params/world").glob("*.yaml"))
NAMES.remove("logged")  # whose spaces are its dataset's, see test_logged.py


def block(which: str, **changes: Any) -> dict[str, Any]:
    text = (ROOT / f"params/world/{which}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text) | changes


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a dataset, with a module in it that tells when it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = Path("data/datasets/x-v0")
    folder.mkdir(parents=True)
    (folder.parent / "evil.py").write_text("open('X', 'w').close()\n")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_every_world_is_built_from_what_was_recorded(tmp_path: Path, name: str):
    write_world(tmp_path, block(name), 1.0, [])
    assert recorded_world(tmp_path).params.name == name


@pytest.mark.parametrize(
    "change",
    [
        {"env_id": "data.datasets.evil:Pendulum-v1"},
        {"env_id": "evil:Pendulum-v1"},
        {"env_id": "ALE/Pong-v5"},
        {"env_id": "Hopper-v5"},
        {"env_id": "Pendulum"},
        {"env_id": "Pendulum-v1 "},
        {"env_id": ""},
        {"env_id": None},
        {"env_id": ["Pendulum-v1"]},
        {"name": "hopper"},
        {"name": "../evil"},
        {"_target_": "data.datasets.evil.Pendulum"},
        {"_target_": "tasks.worlds.World"},
        {"_target_": "tasks.worlds.hopper.Hopper"},
        {"_target_": "tasks.worlds.pendulum.PendulumBatch"},
        {"_target_": "tasks.worlds.cores.mujoco.MujocoWorld"},
        {"_target_": "tasks.train.iql.IQL"},
        {"_target_": "tasks.worlds.pendulum.np"},
        {"_target_": "os.system"},
        {"_target_": None},
    ],
)
@pytest.mark.parametrize("name", ["pendulum", "scenes"])
def test_a_world_that_is_none_of_ours_is_refused(
    evil: Path, change: dict[str, Any], name: str
):
    write_world(evil, block(name, **change), 0.05, [])
    for read in (recorded_world, read_checked):
        with pytest.raises(RefusedError, match=r"world\.json: world") as error:
            read(evil)
        assert "\n" not in str(error.value)
    assert not Path("X").exists()
    assert not {"data.datasets.evil", "evil"} & sys.modules.keys()


@pytest.mark.parametrize("env_id", ["data.evil:Hopper-v5", "Hopper-v4", "Pendulum-v1"])
def test_a_study_names_no_other_environment(env_id: str):
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    check(params)
    params["dataset"]["hopper_medium_replay"]["world"]["env_id"] = env_id
    with pytest.raises(RefusedError, match=r"world\.env_id: found"):
        check(params)


@pytest.mark.parametrize("step", [None, 0, -1.0, True, "x", []])
def test_training_needs_a_control_step(tmp_path: Path, step: Any):
    write_world(tmp_path, block("pendulum"), 0.05, [])
    assert read_checked(tmp_path)["step_seconds"] == 0.05
    content = {"schema": 2, "world": block("pendulum"), "step_seconds": step}
    write_sealed(tmp_path / "world.json", content)
    with pytest.raises(RefusedError, match="step_seconds: found .* seconds above 0"):
        read_checked(tmp_path)
    write_sealed(tmp_path / "world.json", content | {"schema": 99})
    with pytest.raises(RefusedError, match="schema: found 99, expected 2"):
        recorded_world(tmp_path)
