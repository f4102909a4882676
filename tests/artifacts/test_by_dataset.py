"""Parameters that papers publish by dataset."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.by_dataset import DEFAULT, named_datasets, of_dataset
from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.code.blocks import check_blocks, checked

PARAMS = Path(__file__).parents[2] / "params"
TABLES = [
    path
    for path in sorted((PARAMS / "train").glob("*.yaml"))
    if len(named_datasets(yaml.safe_load(path.read_text()))) > 1
]


@pytest.fixture
def params() -> Any:
    return yaml.safe_load(composed(["study=baselines"]))


def test_a_dataset_has_its_own_value_and_others_the_default() -> None:
    block = {"rate": 0.1, "weight": {DEFAULT: 1, "hopper_medium": 5}}
    assert of_dataset(block, "hopper_medium", "train.x") == {"rate": 0.1, "weight": 5}
    assert of_dataset(block, "mine", "train.x") == {"rate": 0.1, "weight": 1}
    assert named_datasets(block) == [DEFAULT, "hopper_medium"]


def test_published_tables_name_datasets_there_are() -> None:
    datasets = {path.stem for path in (PARAMS / "dataset").glob("*.yaml")}
    assert {path.stem for path in TABLES} >= {"rebrac", "edac", "sac_n", "xql", "dql"}
    for path in TABLES:
        assert {*named_datasets(yaml.safe_load(path.read_text()))} <= {
            DEFAULT,
            *datasets,
        }


def test_one_value_replaces_the_whole_table() -> None:
    text = composed(["study=baselines", "train.rebrac.actor_penalty=0.3"])
    block = yaml.safe_load(text)["train"]["rebrac"]
    own = of_dataset(block, "hopper_medium_replay", "train.rebrac")
    assert (own["actor_penalty"], own["critic_penalty"]) == (0.3, 0.5)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"hopper_medium": 0.1}, r"actor_penalty: .*default among the datasets"),
        ({DEFAULT: 0.1, "hopper_medium": -1}, r"actor_penalty: found -1, expected \[0"),
        ({DEFAULT: "much"}, "actor_penalty: found 'much'"),
    ],
)
def test_a_wrong_table_is_refused(params: Any, table: Any, said: str) -> None:
    params["train"]["rebrac"]["actor_penalty"] = table
    with pytest.raises(RefusedError, match=said):
        check_blocks(params)
    with pytest.raises(RefusedError, match=said):
        checked(params, "train", "rebrac")
