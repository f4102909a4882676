"""The stages of learning that begins from a policy, as DVC reads them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.project import ROOT, Project
from tests.flows.test_weighted_graph import Stages, graph


def test_tuned_policies_come_after_what_they_begin_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clone: Project = Stages(tmp_path / "clone")
    found = graph(clone, monkeypatch, "continuous_smoke")
    data = "pendulum_mixture"
    before = {"sac": "learn", "sac_n": "train"}
    for policy, stage in before.items():
        name = f"learn_tuned@{data}-sac-{policy}"
        parents = found.parents[name]
        assert parents == {"code", f"generate@{data}", f"{stage}@{data}-{policy}"}
        assert found.outputs(name) == [Path(f"data/policies/{data}/sac-{policy}")]
        assert name in found.parents[f"compress@{data}-sac-{policy}-float32"]


def test_tuned_learning_depends_on_what_learning_does():
    stages: Any = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    plain, tuned = stages["learn"], stages["learn_tuned"]
    more = set(tuned["deps"]) - set(plain["deps"])
    assert more == {"data/policies/${item.dataset}/${item.policy}"}
    assert set(plain["deps"]) <= set(tuned["deps"])
    assert plain["params"] == tuned["params"]
