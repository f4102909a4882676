"""What follows from a sweep's lists: names, configurations, stages."""

import re
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import NAME
from tasks.artifacts.sweep import configurations, cut, grid, policies, written
from tasks.code.check import check


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0.7, "0p7"),
        (3, "3"),
        (3.0, "3"),
        (1e-5, "1e-5"),
        (2.5e-7, "2p5e-7"),
        (1e22, "1e22"),
        (-100.0, "-100"),
        (0.0, "0"),
    ],
)
def test_a_number_is_written_into_a_name(value: float, name: str):
    assert written(value) == name


def test_a_grid_has_each_combination_the_last_list_changing_first():
    assert configurations("iql", {"expectile": [0.7, 0.9], "beta": [1, 3]}) == {
        "iql-expectile0p7-beta1": {"expectile": 0.7, "beta": 1},
        "iql-expectile0p7-beta3": {"expectile": 0.7, "beta": 3},
        "iql-expectile0p9-beta1": {"expectile": 0.9, "beta": 1},
        "iql-expectile0p9-beta3": {"expectile": 0.9, "beta": 3},
    }


def test_a_name_too_long_has_a_hash_that_stays():
    lists = {f"a_long_number_{i}": [0.123456, 0.654321] for i in range(3)}
    tried = configurations("learner", lists)
    assert len(tried) == 8
    for name in tried:
        assert NAME.fullmatch(name)
        assert re.fullmatch(r"learner-[0-9a-f]{8}", name)
    less = configurations("learner", {**lists, "a_long_number_0": [0.654321]})
    assert set(less) < set(tried)


@pytest.mark.parametrize(
    "lists", [None, {}, 3, {"beta": 3}, {"beta": []}, {"beta": ["a"]}, {"b": [True]}]
)
def test_what_is_no_list_of_numbers_counts_as_nothing(lists: Any):
    assert configurations("iql", lists) == {}


PARAMS: dict[str, Any] = {
    "sweep": {"iql": {"beta": [1, 3]}},
    "train": {"bc": {}, "iql": {}},
    "study": {"datasets": ["d", "e"], "learners": ["bc", "iql"]},
}


def test_what_follows_for_the_graph():
    tried = {"iql-beta1": {"beta": 1}, "iql-beta3": {"beta": 3}}
    assert grid(PARAMS) == {"bc": {}, "iql": tried}
    assert policies(PARAMS) == ["bc", "iql-beta1", "iql-beta3"]
    assert cut(PARAMS) == {
        f"{dataset}-{policy}": {"dataset": dataset, "learner": "iql", "policy": policy}
        for dataset in ("d", "e")
        for policy in tried
    }


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_an_override_may_add_a_list(prefix: str):
    text = composed(["study=hard", f"{prefix}sweep.td3_bc.alpha=[1,2.5]"])
    params = yaml.safe_load(text)
    assert params["sweep"] == {"td3_bc": {"alpha": [1, 2.5]}}
    assert params["study"]["policies"] == [
        *("bc", "td3_bc-alpha1", "td3_bc-alpha2p5", "iql")
    ]
    assert params["grid"]["td3_bc"]["td3_bc-alpha2p5"] == {"alpha": 2.5}
    assert len(params["cut"]) == 2


def test_without_a_sweep_every_learner_is_a_policy():
    params = yaml.safe_load(composed())
    assert params["study"]["policies"] == params["study"]["learners"]
    assert params["cut"] == {}


def test_learners_may_stand_for_another_list():
    params = yaml.safe_load(composed(["study.learners=${oc.dict.keys:train}"]))
    assert params["study"]["policies"] == ["bc10", "awac", "iql"]


@pytest.mark.parametrize(
    "override", ["sweep=3", "study.learners=bc", "study.datasets=3", "sweep.bc=[1]"]
)
def test_what_is_no_list_is_left_to_the_check(override: str):
    with pytest.raises(RefusedError, match=r"params\.yaml: (sweep|study)[.\w]*: found"):
        check(yaml.safe_load(composed([override])))
