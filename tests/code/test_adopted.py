"""What a study says of policies that were trained elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.sweep import policies
from tasks.code.check import check
from tasks.code.closures import of_method

BLOCK = {
    "_target_": "tasks.adopt.sb3.SB3",
    "method": "sb3",
    "dataset": "pendulum_mixture",
}


@pytest.fixture
def params() -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load(composed(["study=smoke"]))
    params["adopted"] = {"mine": dict(BLOCK)}
    study = params["study"]
    study |= {
        "adopted": ["mine"],
        "seeds": [0],
        "policies": [*study["policies"], "mine"],
    }
    return params


def test_it_stands_beside_what_is_trained(params: dict[str, Any]):
    check(params)
    assert policies(params) == ["bc", "mine"] == params["study"]["policies"]


def test_a_study_of_adopted_policies_alone_needs_no_learner(params: dict[str, Any]):
    params["train"], params["grid"] = {}, {}
    params["study"] |= {"learners": [], "policies": ["mine"]}
    check(params)


def test_params_compose_what_follows():
    words = ["study=smoke", "study.adopted=[mine]", "study.seeds=[0]"]
    words += [f"+adopted.mine.{key}={value}" for key, value in BLOCK.items()]
    params = yaml.safe_load(composed(words))
    check(params)
    assert params["study"]["policies"] == ["bc", "mine"]


def at(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(params: dict[str, Any]) -> None:
        for key in path[:-1]:
            params = params[key]
        params[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            at("study", "seeds", value=[0, 1]),
            r"study.seeds: found \[0, 1\], expected \[0",
        ),
        (at("study", "seeds", value=[3]), "set study.seeds to"),
        (at("study", "adopted", value=["other"]), "study.adopted.other"),
        (at("study", "curves", value=["mine"]), "study.curves.mine"),
        (at("study", "adopted", value=[]), "study.policies.mine"),
        (
            at("adopted", "mine", "dataset", value="other"),
            "mine of other among pendulum",
        ),
        (
            at("adopted", "mine", "method", value="zip"),
            "adopted.mine: found zip, of the",
        ),
        (at("adopted", "mine", "method", value="foreign_onnx"), "foreign_onnx, of the"),
        (at("adopted", "mine", "method", value=None), "adopted.mine"),
        (at("adopted", "mine", "clip", value=True), "adopted.mine.clip"),
        (at("adopted", "mine", "_target_", value="os.path.Path"), "_target_"),
        (at("adopted", "mine", "_target_", value="tasks.train.bc.BC"), "a Adoption of"),
        (at("adopted", "mine", value=3), "adopted.mine"),
        (at("adopted", "a b", value=BLOCK), "adopted, a key: found"),
    ],
)
def test_what_cannot_be_is_refused(
    params: dict[str, Any], edit: Callable[[dict[str, Any]], None], words: str
):
    edit(params)
    with pytest.raises(RefusedError, match=words):
        check(params)


def test_a_learners_name_is_taken(params: dict[str, Any]):
    params["adopted"]["bc"] = dict(BLOCK)
    params["study"] |= {"adopted": ["bc"], "policies": ["bc"]}
    with pytest.raises(RefusedError, match="found bc, expected another name"):
        check(params)


@pytest.mark.parametrize("method", ["sb3", "foreign_onnx"])
def test_no_stage_stands_on_what_opens_files_of_torch(method: str):
    files = of_method("adopt", method)
    assert f"tasks/adopt/{method}/__init__.py" in files
    assert "tasks/adopt/engine/torch_file.py" not in files
