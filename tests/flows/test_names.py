"""A name that a shell would run is refused under DVC and under the flows alike."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.engine.graph import Graph
from flows.experiments.plan import plan
from tasks.artifacts.environment import main as describe_machine
from tasks.artifacts.errors import RefusedError

ROOT = Path(__file__).parents[2]
HOSTILE = "a$(touch${IFS}X)"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The graph with a dataset of a name that is none."""
    monkeypatch.chdir(tmp_path)
    dvc = [sys.executable, "-m", "dvc", "init", "--no-scm", "-q"]
    subprocess.run(dvc, check=True)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    for name in ("tasks", "params", "offcut"):
        shutil.copytree(ROOT / name, tmp_path / name)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    named = text.replace("\n  halfcheetah_medium_replay:", f"\n  {HOSTILE}:")
    named = named.replace("\n  - halfcheetah_medium_replay", f"\n  - {HOSTILE}")
    (tmp_path / "params.yaml").write_text(named, encoding="utf-8")
    describe_machine()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["train"], ["--keep-going"]])
def test_dvc_stops_at_the_first_stage(project: Path, options: list[str]):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", *options],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert f"refused: params.yaml: dataset, a key: found '{HOSTILE}'" in ended.stderr
    assert not (project / "X").exists()
    assert not (project / "data").exists()


@pytest.mark.parametrize("targets", [[], ["generate"], ["report"]])
def test_the_flows_graph_is_not_opened(project: Path, targets: list[str]):
    with pytest.raises(RefusedError, match="dataset, a key: found 'a"):
        Graph(targets)
    assert not (project / "X").exists()


def test_an_experiment_has_a_name(tmp_path: Path):
    with pytest.raises(RefusedError, match="--name: found '../mine', expected 1 to 64"):
        plan(tmp_path, "smoke", experiment="../mine")


def blocks() -> Iterator[tuple[str, dict[str, Any]]]:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        yield name, stage.get("do", stage)


@pytest.mark.parametrize(
    ("name", "stage"), list(blocks()), ids=lambda value: str(value)[:20]
)
def test_every_stage_waits_for_the_check_and_quotes_names(
    name: str, stage: dict[str, Any]
):
    first = any(dep.startswith("data/code") for dep in stage["deps"])
    assert first or name == "code"
    unquoted = re.sub(r"'(\$\{[\w.]+\}-?)+'", "", stage["cmd"])
    assert "$" not in unquoted
