"""The project's own graph makes datasets out of others, where a study has such."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.artifacts.compose import composed

ROOT = Path(__file__).parents[2]


def dvc(*arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    dvc("init", "--no-scm", "-q")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    return tmp_path


def test_empty_blocks_make_no_stage(graph: Path):
    text = composed(folder=ROOT / "params")
    assert "corruption: {}\nattack: {}\n" in text
    (graph / "params.yaml").write_text(text)
    names = dvc("stage", "list", "--name-only").split()
    assert "generate@halfcheetah_medium_replay" in names
    assert not [n for n in names if n.startswith(("corrupt", "attack"))]


def test_a_corrupted_dataset_stands_on_its_source_and_its_attacker(graph: Path):
    text = composed(["study=datasets_smoke"], folder=ROOT / "params")
    (graph / "params.yaml").write_text(text)
    edges = set(re.findall(r'"(\S+)" -> "(\S+)"', dvc("dag", "--dot")))
    source, noisy, hurt = (
        "generate@pendulum_mixture",
        "corrupt@pendulum_random_dyn",
        "attack@pendulum_adversarial_obs",
    )
    assert {parent for parent, child in edges if child == noisy} == {"code", source}
    parents = {"code", source, "train@pendulum_mixture-edac"}
    assert {parent for parent, child in edges if child == hurt} == parents
    for maker in (noisy, hurt):
        name = maker.partition("@")[2]
        assert (maker, f"train@{name}-riql") in edges
        assert (maker, f"compress@{name}-riql-float32") in edges
        assert (maker, f"evaluate@{name}-riql-float32") in edges
