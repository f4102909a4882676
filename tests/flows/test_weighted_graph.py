"""The stages of weighted training, as DVC reads them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.engine.graph import Graph
from tasks.artifacts.compose import composed
from tests.e2e.project import ROOT, Project


class Stages(Project):
    """A clone whose graph is read and never run."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Stages(tmp_path_factory.mktemp("graph") / "clone")


def graph(clone: Project, monkeypatch: pytest.MonkeyPatch, study: str) -> Graph:
    monkeypatch.chdir(clone.folder)
    text = composed([f"study={study}"], clone.folder / "params")
    Path("params.yaml").write_text(text)
    return Graph()


def test_weighted_policies_go_on_as_any_other(
    clone: Project, monkeypatch: pytest.MonkeyPatch
):
    found = graph(clone, monkeypatch, "archives_smoke")
    data = "pendulum_mixture"
    parents = found.parents[f"train_weighted@{data}-bc-aw"]
    gate = {name for name in found.names if name.startswith("measure@")}
    assert parents == {"code", f"generate@{data}", f"weigh@{data}-aw", *gate}
    assert found.parents[f"weigh@{data}-aw"] == {"code", f"generate@{data}"}
    assert found.outputs(f"train_weighted@{data}-bc-aw") == [
        Path(f"data/policies/{data}/bc-aw")
    ]
    below = found.parents[f"compress@{data}-bc-aw-float32"]
    assert f"train_weighted@{data}-bc-aw" in below
    trained = [name for name in found.names if name.startswith("train_weighted@")]
    assert len(trained) == 3
    assert {f"weigh@{data}-aw", *trained} <= found.parents["report"]


@pytest.mark.parametrize("study", ["smoke", "discrete"])
def test_empty_lists_leave_no_stage(
    clone: Project, monkeypatch: pytest.MonkeyPatch, study: str
):
    names = graph(clone, monkeypatch, study).names
    assert [n for n in names if n.startswith(("weigh@", "train_weighted@"))] == []
    assert any(name.startswith("train@") for name in names)


def test_weighted_training_depends_on_what_training_does():
    stages: Any = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    plain, weighted = stages["train"], stages["train_weighted"]
    more = set(weighted["deps"]) - set(plain["deps"])
    assert more == {"data/weights/${item.dataset}/${item.weighting}"}
    assert set(plain["deps"]) <= set(weighted["deps"])
    assert plain["params"] == ["grid.${item.learner}", *weighted["params"]]
