"""A small dataset that the exporters' commands are tried on."""

from pathlib import Path

import pytest
import yaml

from tasks.artifacts.stage import run_stage
from tasks.generate.__main__ import main as generate


@pytest.fixture(scope="session")
def swings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dataset ``swings``: 1 200 random steps of a pendulum."""
    root = tmp_path_factory.mktemp("project")
    world = yaml.safe_load(Path("params/world/pendulum.yaml").read_text("utf-8"))
    block = yaml.safe_load(Path("params/generate/rollout.yaml").read_text("utf-8"))
    block |= {"policy": "random", "episodes": 6, "steps": None}
    dataset = {"method": "rollout", "world": world, "generate": block}
    (root / "params.yaml").write_text(yaml.safe_dump({"dataset": {"swings": dataset}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr("sys.argv", ["generate", "--dataset", "swings"])
        assert run_stage(generate) == 0
    return root / "data/datasets"


@pytest.fixture
def folder(tmp_path: Path, swings: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a project with that dataset alone."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/datasets").symlink_to(swings)
    monkeypatch.chdir(tmp_path)
    return tmp_path
