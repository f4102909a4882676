import math
import re
from datetime import date
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
    return composed(["study=hard"])


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
        ("study.learners", ["dql"], r"add \+train@train\.dql=dql to SET"),
        ("study.compressors", ["ptq4dm"], r"\+compress@compress\.ptq4dm=ptq4dm"),
        ("study.compressors", ["int8"], "did you mean int8_static"),
        ("study.weighted.learners", ["ikl"], "weighted.learners.ikl: .*mean iql"),
        ("study.weighted.weightings", ["aw"], "study.weighted.weightings.aw: found"),
        ("study.policies", ["td3_bc-aw"], "study.policies.td3_bc-aw: .*mean td3_bc"),
        ("study.measured", ["hopper"], "study.measured.hopper: .*mean hopper_medium"),
        ("study.measured", ["hopper_medium_replay"], "measure.qdc_metrics: found an"),
        ("study.gate", "hard", "study.gate: found hard, expected open"),
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
        ("study.updatess", 3, "study.updatess: .*did you mean updates"),
        ("study.policies", [], "study.policies: found .*1 to 1000 entries"),
        ("study.learners", ["bc", "bc"], "study.learners: found .* none twice"),
        ("study.learners", [["bc"]], "study.learners: .* a list of text"),
        ("study.learners", {"bc": 1}, "study.learners: .* a list of text"),
        ("study.learners", None, "study.learners: found None, expected a list"),
        ("study.learners", ["nosuch"], "expected one of bc, iql, td3_bc; take one"),
        ("study.estimators", ["fqe"], r"\+estimate@estimate\.fqe=fqe"),
        ("study.estimators", 3, "study.estimators: found 3, expected a list"),
        ("study.variants", ["gptq4"], "study.variants: .* float32 among them"),
        ("study.name", "open", "study.name: found open"),
        ("study.chains", None, "study.chains: found None, expected a mapping"),
        ("study.seeds", [10**15], r"study.seeds: .* \[0, 2.14748e\+09\]"),
        ("study.updates", 10**18, "study.updates: found 1000000"),
        ("study.batch", 10**12, "study.batch: found 1000000"),
        ("study.title", "a\ud800", "study.title: .* can be written"),
        ("study.title", "a" * 5000, "study.title: .* at most 2000 characters"),
        ("train.bc.actor_hidden", [10**9], "train.bc.actor_hidden: found 10000"),
        ("trian", {}, "top level.trian: .*did you mean train"),
        ("train", None, "train: found None, expected a mapping"),
        ("train.bc", None, "train.bc: found None, expected a mapping"),
        ("train.bc._targett_", "x", "train.bc._targett_: found an unknown key"),
        (
            "train.bc._target_",
            "tasks.train.bc.BCParams",
            "BCParams, expec.*with Par",
        ),
        (
            "train.bc._target_",
            "tasks.train.td3_bc.TD3BC",
            "a Learner or PredictorLearner of tasks/train/bc",
        ),
        (
            "train.bc._target_",
            "tasks.compress.float32.Float32",
            "PredictorLearner of tasks/t",
        ),
        ("train.bc._target_", 3, "train.bc._target_: found 3, expected a class"),
        ("dataset.hopper_medium_replay.generate", None, "generate: found None, expec"),
        ("dataset.hopper_medium_replay.worlds", {}, "worlds: .*did you mean world"),
        ("dataset.hopper_medium_replay.world.env_id", "Nosuch-v0", "world.env_id"),
        ("dataset.hopper_medium_replay.world.max_steps", 10**15, "world.max_steps"),
        (
            "dataset.hopper_medium_replay.world._target_",
            "tasks.train.bc.BC",
            "a World of tasks/worlds/hopper",
        ),
        ("claim", {"riql": 3}, "claim.riql: found 3, expected a mapping"),
        ("bed", {"x": {}}, "bed.x: found x, of the class None"),
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
    return composed(["study=datasets_smoke"])


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
        ("study.weighted.learners", ["bcc"], "learners.bcc: .*did you mean bc?"),
        ("study.policies", ["bc-aw", "bc-a"], "did you mean bc-aw?"),
        ("study.policies", ["iql-aw"], "study.policies.iql-aw: .*bc-aw"),
        (
            "weighting.aw.alpha",
            0,
            r"\.aw\.alpha: found 0, expected \(0, 1e\+12",
        ),
        ("weighting.aw.scheme", "AW", "weighting.aw.scheme: found 'AW'"),
    ],
)
def test_weighted_policies_are_checked(path: str, value: Any, said: str):
    params = yaml.safe_load(composed(["study=archives_smoke"]))
    assert "bc-aw" in params["study"]["policies"]
    test_what_a_stage_would_refuse_is_refused(params, path, value, said)


def test_attacks_cannot_wait_for_a_gate(corrupted: str):
    params = yaml.safe_load(corrupted)
    assert params["attack"]
    params["study"]["gate"] = "datasets_smoke"
    with pytest.raises(RefusedError, match=r"study.gate: .* open, as attacks wait"):
        check(params)


def test_groups_and_blocks_the_graph_names_are_needed(params: dict[str, Any]):
    for group in params:
        less = {name: block for name, block in params.items() if name != group}
        with pytest.raises(RefusedError, match=f"{group}: found nothing"):
            check(less)
    del params["evaluate"]["returns"]
    with pytest.raises(RefusedError, match=r"evaluate\.returns: found nothing"):
        check(params)


def test_claims_and_beds_read_what_the_study_makes():
    params = yaml.safe_load(composed(["study=pictures_smoke"]))
    block = params["bed"]["adadfq"]
    block["needs_dataset"] = "environment.json"
    check(params)
    block["needs_dataset"] = "data/datasets/hopper-v0"
    with pytest.raises(RefusedError, match=r"bed\.adadfq\.needs_dataset"):
        check(params)
    block["needs_dataset"] = "data/datasets/scenes_labelled-v0"
    params["claim"]["adadfq"]["bed"] = "data/beds/quest"
    with pytest.raises(RefusedError, match=r"claim\.adadfq\.bed"):
        check(params)


def test_a_bed_has_the_samplers_it_plays():
    params = yaml.safe_load(composed(["study=diffusion_smoke"]))
    methods = params["bed"]["deis"]["methods"]
    methods["ddim"] = methods["deis"]
    with pytest.raises(RefusedError, match=r"methods\.ddim\._target_: .* class DDIM"):
        check(params)
    del methods["ddim"]
    with pytest.raises(RefusedError, match=r"methods\.ddim: found nothing"):
        check(params)


def test_a_chain_of_aliases_is_refused_before_it_is_unfolded(params: dict[str, Any]):
    value: list[Any] = ["a"]
    for _ in range(12):
        value = [value] * 10
    params["study"]["learners"] = value
    with pytest.raises(RefusedError, match="over 100000 entries"):
        check(params)


@pytest.mark.parametrize("value", [b"bytes", date(2020, 1, 1), 10**400, math.nan])
def test_what_json_cannot_hold_is_refused(value: Any):
    params = yaml.safe_load(composed(["study=adadfq"]))
    params["bed"]["adadfq"]["game"]["_target_"] = value
    with pytest.raises(RefusedError, match=r"game\._target_: .* that JSON can hold"):
        check(params)


def test_a_beds_inner_block_names_its_class():
    params = yaml.safe_load(composed(["study=adadfq"]))
    params["bed"]["adadfq"]["game"]["_target_"] = "tasks.train.bc.BC"
    with pytest.raises(RefusedError, match=r"game\._target_: .* the class AdaDFQ"):
        check(params)


def test_a_dataset_that_no_file_has_is_refused_in_a_table(params: dict[str, Any]):
    table = {"default": 0.01, "hopper_medum": 0.05}
    params["train"]["td3_bc"] = {
        **yaml.safe_load((ROOT / "params/train/td3_bc.yaml").read_text()),
        "alpha": table,
    }
    with pytest.raises(RefusedError, match="hopper_medum: .*mean hopper_medium"):
        check(params)
    del table["hopper_medum"]
    check(params)
