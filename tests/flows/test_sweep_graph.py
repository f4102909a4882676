"""The stages of a sweep, as DVC reads them."""

from pathlib import Path

import pytest

from flows.engine.graph import Graph
from tasks.artifacts.compose import composed
from tests.e2e.project import Project

DATA = "pendulum_mixture"


class Stages(Project):
    """A clone whose graph is read and never run."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Stages(tmp_path_factory.mktemp("graph") / "clone")


def graph(clone: Project, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> Graph:
    monkeypatch.chdir(clone.folder)
    text = composed(overrides, clone.folder / "params")
    Path("params.yaml").write_text(text)
    return Graph()


def test_a_learner_is_trained_once_and_cut_into_policies(
    clone: Project, monkeypatch: pytest.MonkeyPatch
):
    found = graph(clone, monkeypatch, "study=sweep_smoke")
    trained = {name for name in found.names if name.startswith("train@")}
    assert trained == {f"train@{DATA}-td3_bc", f"train@{DATA}-iql"}
    cut = [name for name in found.names if name.startswith("cut@")]
    assert len(cut) == 6
    name = f"cut@{DATA}-iql-expectile0p5-beta10"
    assert found.parents[name] == {"code", f"train@{DATA}-iql"}
    folder = Path("data/policies") / DATA / "iql-expectile0p5-beta10"
    assert found.outputs(name) == [folder]
    compressed = f"compress@{DATA}-iql-expectile0p5-beta10-float32"
    assert name in found.parents[compressed]
    assert set(cut) <= found.parents["report"]


def test_no_sweep_leaves_no_stage(clone: Project, monkeypatch: pytest.MonkeyPatch):
    names = graph(clone, monkeypatch, "study=smoke").names
    assert [name for name in names if name.startswith("cut@")] == []


def test_dvc_composes_what_this_project_does(clone: Project):
    """``dvc exp run -S`` composes params.yaml by Hydra alone, with our resolver."""
    given = "+sweep.bc.actor_rate=[0.001,0.002]"
    code = (
        "from dvc.repo import Repo; from dvc.utils.hydra import compose_and_dump; "
        "config = Repo().config['hydra']; import os; at = os.getcwd(); "
        "compose_and_dump('made.yaml', os.path.join(at, config['config_dir']), None, "
        "config['config_name'], os.path.join(at, config['plugins_path']), "
        f"['study=smoke', '{given}'])"
    )
    clone.run("python", "-c", code)
    made = (clone.folder / "made.yaml").read_text()
    assert made == composed(["study=smoke", given], clone.folder / "params")
