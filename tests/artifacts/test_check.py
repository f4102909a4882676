import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.check import check
from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in (ROOT / "params/study").glob("*.yaml"))


@pytest.fixture(scope="module")
def text() -> str:
    return composed(["study=quickstart"])


@pytest.fixture
def params(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_passes_and_fits_the_graph(name: str):
    params = yaml.safe_load(composed([f"study={name}"]))
    check(params)
    used = set(re.findall(r"\bstudy\.(\w+)", (ROOT / "dvc.yaml").read_text()))
    assert used <= params["study"].keys()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("train.iql.expectile", 2, r"train\.iql\.expectile: found 2, expected \(0, 1"),
        ("train.bc.rate", 1, "train.bc.rate: .* did you mean actor_rate"),
        ("compress.gptq4.rows", "all", "compress.gptq4.rows: found 'all'"),
        ("dataset.hopper_medium_replay.generate.parts", [], "generate.parts: found 0"),
        ("dataset.hopper_medium_replay.world.max_steps", -1, "world.max_steps"),
        ("evaluate.returns.episodes", 0, "evaluate.returns.episodes"),
        ("report.html.hash_digits", 1.5, "report.html.hash_digits"),
        ("train.bc._target_", "os.path.Path", "train.bc._target_"),
        ("study.seeds", [0, 0], "study.seeds"),
        ("study.updates", 0, "study.updates"),
        ("study.datasets", ["hopper"], "did you mean hopper_medium_replay"),
        ("study.learners", ["ikl"], "did you mean iql"),
        ("study.compressors", ["int8"], "did you mean int8_static"),
        ("study.weighted.learners", ["ikl"], "weighted.learners.ikl: .*mean iql"),
        ("study.weighted.weightings", ["aw"], "study.weighted.weightings.aw: found"),
        ("study.policies", ["td3_bc-aw"], "study.policies.td3_bc-aw: .*mean td3_bc"),
        ("study.chains.first", ["destill"], "study.chains.first.destill"),
        ("study.chains.then", ["int4"], "study.chains.then.int4"),
        ("study.variants", ["distil-int8_static"], "mean distill-int8_static"),
    ],
)
def test_what_a_stage_would_refuse_is_refused(
    params: dict[str, Any], path: str, value: Any, said: str
):
    *way, key = path.split(".")
    block = params
    for name in way:
        block = block[name]
    block[key] = value
    with pytest.raises(RefusedError, match=said):
        check(params)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("study.weighted.weightings", ["awe"], "weightings.awe: .*did you mean aw?"),
        ("study.weighted.learners", ["td3"], "learners.td3: .*did you mean td3_bc?"),
        ("study.policies", ["td3_bc-aw", "td3_bc-a"], "did you mean td3_bc-aw?"),
        ("study.policies", ["bc-aw"], "study.policies.bc-aw: .*did you mean"),
        ("weighting.aw.alpha", 0, r"weighting\.aw\.alpha: found 0, expected \(0, inf"),
        ("weighting.aw.scheme", "AW", "weighting.aw.scheme: found 'AW'"),
    ],
)
def test_weighted_policies_are_checked(path: str, value: Any, said: str):
    params = yaml.safe_load(composed(["study=trajectory_weighting"]))
    assert "td3_bc-aw" in params["study"]["policies"]
    test_what_a_stage_would_refuse_is_refused(params, path, value, said)
