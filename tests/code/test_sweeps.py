"""What is refused of a sweep before the first stage."""

from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.sweep import cut, grid
from tasks.code.check import check
from tasks.code.sweeps import MOST


@pytest.fixture(scope="module")
def text() -> str:
    return composed(["study=hard", "sweep.td3_bc.alpha=[1,2.5]"])


@pytest.fixture
def params(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


def swept(params: dict[str, Any], sweep: Any) -> dict[str, Any]:
    """The same study with another sweep, composed as it would be."""
    params["sweep"] = sweep
    return params | {"grid": grid(params), "cut": cut(params)}


def test_a_sweep_passes(params: dict[str, Any]):
    check(params)


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (3, "params.yaml: sweep: found 3, expected a mapping"),
        ({"td3": {"alpha": [1]}}, "sweep.td3: .* one of bc, .*did you mean td3_bc?"),
        ({"td3_bc": 3}, "sweep.td3_bc: found 3, expected a mapping"),
        ({"td3_bc": {}}, "sweep.td3_bc: found no lists"),
        ({"td3_bc": {"alpa": [1]}}, "td3_bc.alpa: found an unknown .*mean alpha?"),
        ({"td3_bc": {"policy_delay": [1, 2]}}, "expected one of discount, polyak"),
        ({"td3_bc": {"actor_hidden": [[8], [9]]}}, "actor_hidden: .* cannot differ"),
        ({"iql": {"policy": ["gaussian"]}}, "iql.policy: found what .* cannot differ"),
        ({"td3_bc": {"alpha": []}}, r"alpha: found \[\], expected a list of numbers"),
        ({"td3_bc": {"alpha": 2.5}}, "alpha: found 2.5, expected a list of numbers"),
        ({"td3_bc": {"alpha": [1, 1.0]}}, "alpha: found .* expected no number twice"),
        ({"td3_bc": {"alpha": ["1"]}}, "alpha: found '1', expected a finite number"),
        ({"td3_bc": {"alpha": [True]}}, "alpha: found True, expected a finite number"),
        ({"td3_bc": {"alpha": [float("nan")]}}, "sweep.td3_bc.alpha: found nan, exp"),
        ({"td3_bc": {"alpha": [float("inf")]}}, "sweep.td3_bc.alpha: found inf, exp"),
        ({"td3_bc": {"alpha": [10**400]}}, "sweep.td3_bc.alpha: found 1000.*, exp"),
        ({"td3_bc": {"alpha": [-1]}}, r"sweep.td3_bc.alpha: found -1, expected \[0"),
        ({"iql": {"expectile": [0.5, 1]}}, r"sweep.iql.expectile: found 1, .*\(0, 1"),
        ({"td3_bc": {"alpha": list(range(MOST))}}, f"1000 .* at most {MOST} slices"),
    ],
)
def test_what_no_stack_can_train_is_refused(
    params: dict[str, Any], sweep: Any, said: str
):
    with pytest.raises(RefusedError, match=said):
        check(swept(params, sweep))


def test_the_numbers_of_a_configuration_have_to_fit_together():
    params = yaml.safe_load(composed(["study=continuous_smoke"]))
    params["study"]["policies"] = ["bc"]
    sweep = {"riql": {"target_low": [-100, 5000]}}
    with pytest.raises(RefusedError, match="sweep.riql.target_low: found 5000.*less"):
        check(swept(params, sweep))


def test_a_weighted_learner_of_the_same_name_is_refused():
    added = "+weigh@weighting.alpha1=trajectory_weighting"
    params = yaml.safe_load(composed(["study=sweep_smoke", added]))
    params["study"]["weighted"] = {"learners": ["td3_bc"], "weightings": ["alpha1"]}
    with pytest.raises(RefusedError, match="td3_bc-alpha1, expected another name"):
        check(swept(params, {"td3_bc": {"alpha": [1]}}))


@pytest.mark.parametrize("key", ["grid", "cut"])
def test_what_follows_cannot_be_written_by_hand(params: dict[str, Any], key: str):
    entry = next(iter(params[key].values()))
    entry |= {"policy": "td3_bc-alpha9"} if key == "cut" else {"x": {}}
    with pytest.raises(RefusedError, match=f"params.yaml: {key}.*"):
        check(params)


def test_a_learner_that_is_swept_is_no_policy_itself(params: dict[str, Any]):
    params["study"]["policies"] = ["td3_bc"]
    with pytest.raises(RefusedError, match="policies.td3_bc: .*td3_bc-alpha1"):
        check(params)


def test_a_gpu_is_asked_for_before_the_first_stage(
    params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    params["study"]["device"] = "cuda"
    with pytest.raises(RefusedError, match="study.device: found cuda, .* sees no GPU"):
        check(params)
    params["study"]["processes"] = 2
    with pytest.raises(RefusedError, match="processes: found 2, expected 1 where"):
        check(params)
