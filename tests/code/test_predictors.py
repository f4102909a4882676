"""What a study of predictors may say: one line for each thing that cannot be."""

from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.played import predicted
from tasks.code.check import check


@pytest.fixture(scope="module")
def text() -> str:
    return composed(["study=predictors_smoke"])


@pytest.fixture
def params(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


def test_arrays_are_predicted_and_not_played(params: dict[str, Any]):
    check(params)
    assert predicted(params) == params["study"]["predicted"] == ["digits"]
    assert params["study"]["played"] == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("measured", ["digits"], "measure"),
        ("gate", "predictors_smoke", "study.gate: found predictors_smoke"),
        ("played", ["digits"], "study.played"),
        ("predicted", [], "study.predicted"),
        (
            "metrics",
            [],
            "study.metrics: found nothing, expected the metrics of the pre",
        ),
        ("metrics", ["returns"], "study.metrics: found returns, which is none"),
        ("metrics", ["acuracy"], "study.metrics.acuracy: .*did you mean accuracy"),
        ("learners", ["bc"], "study.learners: found bc, a learner of actions"),
    ],
)
def test_what_asks_a_return_is_refused_in_a_line(
    params: dict[str, Any], key: str, value: Any, said: str
):
    study = params["study"]
    study[key] = value
    if key == "learners":
        study["policies"] = value
    with pytest.raises(RefusedError, match=said) as caught:
        check(params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["estimators", "curves"])
def test_the_reason_is_that_there_is_no_return(params: dict[str, Any], name: str):
    study = params["study"]
    if name == "estimators":
        params["estimate"] = {"fqe": _block("estimate/fqe")}
        study[name] = ["fqe"]
    else:
        params["evaluate"]["learning"] = _block("evaluate/learning")
        study[name], study["snapshots"] = ["classifier"], 2
    with pytest.raises(
        RefusedError, match="a predictor acts in no world and has no re"
    ):
        check(params)


def test_metrics_are_refused_of_policies():
    params = yaml.safe_load(composed(["study=smoke"]))
    params["study"]["metrics"] = ["returns"]
    with pytest.raises(RefusedError, match="metrics: found returns, expected none for"):
        check(params)


def test_a_predictors_learner_is_refused_of_episodes():
    params = yaml.safe_load(composed(["study=smoke"]))
    params["train"]["classifier"] = _block("train/classifier")
    params["grid"] = {"bc": {}, "classifier": {}}
    params["study"]["learners"] = ["classifier"]
    params["study"]["policies"] = ["classifier"]
    with pytest.raises(RefusedError, match="found classifier, a learner of named arr"):
        check(params)


def test_a_study_is_of_one_kind(params: dict[str, Any]):
    smoke = yaml.safe_load(composed(["study=smoke"]))
    params["dataset"] = smoke["dataset"]
    params["study"]["datasets"] = ["digits", "pendulum_mixture"]
    params["study"]["played"] = ["pendulum_mixture"]
    with pytest.raises(RefusedError, match="expected named arrays alone, or episodes"):
        check(params)


def test_a_maker_of_episodes_makes_no_arrays(params: dict[str, Any]):
    params["arrays"]["digits"] = {
        "method": "mixture",
        "generate": _block("generate/mixture"),
    }
    with pytest.raises(RefusedError, match="expected a ArrayMaker of tasks/generate"):
        check(params)


def _block(name: str) -> Any:
    from pathlib import Path

    root = Path(__file__).parents[2] / "params"
    return yaml.safe_load((root / f"{name}.yaml").read_text(encoding="utf-8"))
