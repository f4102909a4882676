"""The table of samplers, and what does not fit together."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import build
from tasks.report.engine.collect import Study, collect
from tasks.report.engine.judge import rows
from tests.sampled_files import add_sampled
from tests.study_files import dump_sealed, write_study

LEAF = "hopper_x/dql/float32-unipc-5"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A study with one policy by one sampler, of three and five calls."""
    write_study(tmp_path, {"hopper_x": "hopper"}, ("bc", "dql"), ("float32",))
    add_sampled(tmp_path, "hopper_x")
    return tmp_path


def read(root: Path) -> tuple[dict[str, Any], Study]:
    params = yaml.safe_load((root / "params.yaml").read_text())
    return params, collect(
        params, root / "data", root / "environment.json", root / "params.yaml"
    )


def test_a_row_has_calls_error_latency_and_bytes(root: Path):
    params, study = read(root)
    found = [
        (s.learner, s.variant, s.sampler, s.calls, s.bytes)
        for s in study.datasets[0].sampled
    ]
    assert found == [
        ("dql", "float32", "unipc", 3, 53_000.0),
        ("dql", "float32", "unipc", 5, 55_000.0),
    ]
    evaluate = build(params["evaluate"]["returns"], "evaluate.returns")
    report = build(params["report"]["html"], "report.html")
    page = report.page(study, rows(study, evaluate.params))
    part = page.split('<section id="samplers">')[1].split("</section>")[0]
    assert part.count('<tr><th scope="row">') == 2
    for said in ("unipc", ">3<", ">5<", "0.0369", "0.0615", "55.0 kB", "30.0", "0.4"):
        assert said in part, said
    assert '<a href="#samplers">' in page


def test_without_samplers_the_page_has_no_such_part(tmp_path: Path):
    write_study(tmp_path, {"hopper_x": "hopper"}, ("bc",), ("float32",))
    params, study = read(tmp_path)
    assert study.datasets[0].sampled == []
    evaluate = build(params["evaluate"]["returns"], "evaluate.returns")
    report = build(params["report"]["html"], "report.html")
    assert "samplers" not in report.page(study, rows(study, evaluate.params))


def test_a_plan_that_is_not_the_exported_one_is_refused(root: Path):
    path = root / "data/onnx" / LEAF / "sampler.json"
    told = json.loads(path.read_text())
    told["seeds"][1]["spec"]["noises"] = 2
    dump_sealed(path, told)
    with pytest.raises(RefusedError, match="plan of seed 1: .* of the exported graph"):
        read(root)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            f"data/onnx/{LEAF}/sampler.json",
            "--variant float32 --sampler unipc --steps 5",
        ),
        (f"data/evaluations/{LEAF}/metrics.json", "tasks.evaluate .* float32-unipc-5"),
        (f"data/profiles/{LEAF}/static.json", "tasks.profile"),
    ],
)
def test_what_is_missing_is_named_with_its_command(root: Path, file: str, said: str):
    (root / file).unlink()
    with pytest.raises(RefusedError, match=said):
        read(root)
