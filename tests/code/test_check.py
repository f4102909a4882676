import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.code.check import check

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
        ("study.measured", ["hopper"], "study.measured.hopper: .*mean hopper_medium"),
        ("study.measured", ["hopper_medium_replay"], "measure.qdc_metrics: found an"),
        ("study.gate", "quickstart", "study.gate: found quickstart, expected open"),
        ("study.chains.first", ["destill"], "study.chains.first.destill"),
        ("study.chains.then", ["int4"], "study.chains.then.int4"),
        ("study.variants", ["distil-int8_static"], "mean distill-int8_static"),
        ("study.sampled.policies", ["dql"], "study.sampled.policies.dql"),
        ("study.sampled.variants", ["float"], "did you mean float32"),
        ("study.sampled.samplers", ["feedforward"], "study.sampled.samplers.feedf"),
        ("study.sampled.steps", [3, 3], "study.sampled.steps: .* none twice"),
        ("study.sampled.steps", [0], "study.sampled.steps"),
        ("study.sampled.steps", ["five"], "study.sampled.steps"),
        ("study.sampled.sampler", [], "did you mean samplers"),
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


def test_a_sampler_is_known_by_its_class():
    params = yaml.safe_load(composed(["study=samplers"]))
    check(params)
    params["study"]["sampled"]["samplers"] = ["dim"]
    with pytest.raises(RefusedError, match="did you mean ddim"):
        check(params)


@pytest.fixture(scope="module")
def corrupted() -> str:
    return composed(["study=riql_smoke"])


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("corruption.pendulum_random_dyn.source", "pend", "mean pendulum_mixture"),
        ("corruption.pendulum_random_dyn.generate.rate", 2, r"generate\.rate: found 2"),
        ("corruption.pendulum_random_dyn.generate.field", "dyn", "found 'dyn'"),
        ("corruption.pendulum_random_dyn.attacker", "edac", "attacker: found an unkn"),
        (
            "corruption.pendulum_random_dyn.generate.mode",
            "adversarial",
            "found adversarial next_obs, expected a block of attack",
        ),
        (
            "attack.pendulum_adversarial_obs.generate.mode",
            "random",
            "found random obs, expected a block of corruption",
        ),
        (
            "attack.pendulum_adversarial_obs.generate.field",
            "rew",
            "found adversarial rew, expected a block of corruption",
        ),
        ("attack.pendulum_adversarial_obs.attacker", "edak", "did you mean edac"),
        ("attack.pendulum_adversarial_obs.source", "pendulum_random_dyn", "source"),
        ("study.learners", ["iql", "riql"], r"attacker\.edac: found an unknown name"),
        ("study.datasets", ["pendulum_random_dyn"], "source.pendulum_mixture"),
        ("study.datasets", ["pendulum_random"], "did you mean pendulum_random_dyn"),
    ],
)
def test_datasets_made_of_others_are_checked(
    corrupted: str, path: str, value: Any, said: str
):
    params = yaml.safe_load(corrupted)
    *way, key = path.split(".")
    block = params
    for name in way:
        block = block[name]
    block[key] = value
    with pytest.raises(RefusedError, match=said):
        check(params)


def test_no_two_blocks_make_one_dataset(corrupted: str):
    params = yaml.safe_load(corrupted)
    again = params["attack"]["pendulum_adversarial_obs"]
    params["attack"]["pendulum_random_dyn"] = again
    with pytest.raises(RefusedError, match="a name that attack has too"):
        check(params)


def test_rewards_need_no_attacker(corrupted: str):
    params = yaml.safe_load(corrupted)
    method = params["corruption"]["pendulum_random_dyn"]["generate"]
    method |= {"field": "rew", "mode": "adversarial"}
    check(params)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("study.weighted.weightings", ["awe"], "weightings.awe: .*did you mean aw?"),
        ("study.weighted.learners", ["td3"], "learners.td3: .*did you mean td3_bc?"),
        ("study.policies", ["td3_bc-aw", "td3_bc-a"], "did you mean td3_bc-aw?"),
        ("study.policies", ["bc-aw"], "study.policies.bc-aw: .*did you mean"),
        (
            "weighting.aw.alpha",
            0,
            r"\.aw\.alpha: found 0, expected \(0, 1e\+09",
        ),
        ("weighting.aw.scheme", "AW", "weighting.aw.scheme: found 'AW'"),
    ],
)
def test_weighted_policies_are_checked(path: str, value: Any, said: str):
    params = yaml.safe_load(composed(["study=trajectory_weighting"]))
    assert "td3_bc-aw" in params["study"]["policies"]
    test_what_a_stage_would_refuse_is_refused(params, path, value, said)


def test_attacks_cannot_wait_for_a_gate(corrupted: str):
    params = yaml.safe_load(corrupted)
    assert params["attack"]
    params["study"]["gate"] = "riql_smoke"
    with pytest.raises(RefusedError, match=r"study.gate: .* open, as attacks wait"):
        check(params)
