"""Stages read as YAML are those that DVC reads."""

from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from tasks.artifacts.compose import composed
from tasks.artifacts.dvc_stages import outputs_by_stage
from tests.e2e.project import ROOT


def test_it_is_what_dvc_reads():
    with Repo(str(ROOT)) as repo:
        stages = {
            stage.addressing.removeprefix("dvc.yaml:").rpartition(":")[2]: {
                out.def_path: out.use_cache for out in stage.outs
            }
            for stage in repo.index.stages
            if stage.cmd
        }
    assert outputs_by_stage(ROOT) == stages


@pytest.mark.parametrize("study", ["smoke", "baselines"])
def test_other_studies_have_other_stages(study: str, tmp_path: Path):
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    text = composed([f"study={study}"], ROOT / "params")
    (tmp_path / "params.yaml").write_text(text)
    found = outputs_by_stage(tmp_path)
    block = yaml.safe_load(text)["study"]
    trained = {n for n in found if n.startswith("train@")}
    expected = [f"train@{d}-{a}" for d in block["datasets"] for a in block["learners"]]
    assert trained == {*expected}
    one = f"{block['datasets'][0]}/{block['learners'][0]}"
    name = f"train@{one.replace('/', '-')}"
    assert found[name] == {f"data/policies/{one}": True}
    assert found["report"]["data/report/metrics.json"] is False


@pytest.mark.parametrize(
    "text", ["", "[", "stages: 1", "stages: {a: {foreach: '${x}'}}"]
)
def test_what_cannot_be_told_is_left_out(text: str, tmp_path: Path):
    assert outputs_by_stage(tmp_path) == {}
    (tmp_path / "dvc.yaml").write_text(text)
    (tmp_path / "params.yaml").write_text("{}")
    assert outputs_by_stage(tmp_path) == {}
