import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import (
    OneOf,
    Params,
    Range,
    build,
    check_known,
    load,
    pick,
    resolve,
)
from tasks.learn.sac import SAC


@dataclass(frozen=True)
class Block(Params):
    expectile: Annotated[float, Range(0, 1, open=True)]
    rows: Annotated[int, Range(1, 10**6)]
    hidden: Annotated[tuple[int, ...], Range(1, 4096)]
    bounds: tuple[float, float]
    mode: Annotated[str, OneOf(("exact", "native"))]
    student: Annotated[int | None, Range(1, 10**6)]
    clip: bool


GOOD: dict[str, Any] = {
    "_target_": "tasks.train.iql.IQL",
    "expectile": 0.7,
    "rows": 256,
    "hidden": [64, 64],
    "bounds": [-1, 1.5],
    "mode": "exact",
    "student": None,
    "clip": True,
}


def parse(**changes: Any) -> Block:
    return Block.parse(GOOD | changes, "train.iql")


def test_a_good_block_becomes_the_dataclass():
    block = parse()
    assert block == Block(0.7, 256, (64, 64), (-1, 1.5), "exact", None, clip=True)
    assert parse(student=3).student == 3
    assert parse(expectile=0.5, hidden=[]).hidden == ()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("expectile", 0, "(0, 1)"),
        ("expectile", 1.0, "(0, 1)"),
        ("expectile", float("nan"), "finite number"),
        ("expectile", float("inf"), "finite number"),
        ("expectile", "0.7", "finite number"),
        ("expectile", True, "finite number"),
        ("expectile", None, "finite number"),
        ("rows", 0, "[1, 1e+06]"),
        ("rows", 1.0, "whole number"),
        ("rows", True, "whole number"),
        ("hidden", [64, 0], "[1, 4096]"),
        ("hidden", [64, 9999], "[1, 4096]"),
        ("hidden", [64, "64"], "a list of whole number"),
        ("hidden", 64, "a list of whole number"),
        ("bounds", [1.0], "a list of 2 finite number"),
        ("bounds", [1.0, 2.0, 3.0], "a list of 2 finite number"),
        ("mode", "exakt", "one of exact, native"),
        ("mode", 1, "text"),
        ("student", 0, "[1, 1e+06]"),
        ("student", "x", "whole number or null"),
        ("clip", 1, "true or false"),
        ("clip", "false", "true or false"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(key: str, value: Any, expected: str):
    with pytest.raises(RefusedError) as caught:
        parse(**{key: value})
    error = caught.value
    assert error.where == "params.yaml"
    assert error.field == f"train.iql.{key}"
    assert error.expected == expected
    assert "make params" in error.mend
    assert "\n" not in str(error)


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(RefusedError, match=r"train\.iql\.expectle.*mean expectile\?"):
        parse(expectle=0.7)


@pytest.mark.parametrize("key", [k for k in GOOD if k != "_target_"])
def test_a_missing_key_is_named(key: str):
    block = {k: v for k, v in GOOD.items() if k != key}
    with pytest.raises(RefusedError, match=f"add the key {key} to the block train.iql"):
        Block.parse(block, "train.iql")


@dataclass(frozen=True)
class Ordered(Params):
    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high <= self.low:
            raise RefusedError("params.yaml", "high", self.high, "> low", "swap them")


def test_a_blocks_own_refusal_keeps_its_mend():
    with pytest.raises(RefusedError, match=r"x\.high: found 1, expected > low; swap"):
        Ordered.parse({"low": 2, "high": 1}, "x")


def test_ranges_say_whether_their_ends_belong():
    assert 0 in Range(0, 1)
    assert 1 in Range(0, 1)
    assert 0 not in Range(0, 1, open=True)
    nan = float("nan")
    assert nan not in Range(0, 1e9)
    assert str(Range(0, 1)) == "[0, 1]"
    assert str(Range(0, 1, open=True)) == "(0, 1)"


def test_params_are_read(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("study: {seeds: [0, 1]}\n")
    assert load(tmp_path / "params.yaml") == {"study": {"seeds": [0, 1]}}


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [1\n", "a: !!python/name:os.system"])
def test_params_that_are_no_mapping_are_refused(tmp_path: Path, text: str):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(RefusedError, match="run: make params"):
        load(tmp_path / "params.yaml")


def test_missing_params_are_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="found nothing.*run: make params"):
        load(tmp_path / "params.yaml")


STUDY = {"train": {"bc": {"x": 1}, "td3_bc": {}, "odd": 3}, "compress": None, "n": 1}


def test_a_block_is_picked():
    assert pick(STUDY, "train", "bc") == {"x": 1}


@pytest.mark.parametrize(
    ("group", "name", "said"),
    [
        ("train", "td3bc", "did you mean td3_bc?"),
        ("train", "odd", "expected a mapping"),
        ("compress", "int8", "remove it"),
        ("evaluate", "returns", "remove it"),
        ("n", "x", "expected a mapping"),
    ],
)
def test_a_block_that_is_not_there_is_refused(group: str, name: str, said: str):
    with pytest.raises(RefusedError) as caught:
        pick(STUDY, group, name)
    assert said in str(caught.value)
    assert group in caught.value.field


def test_a_name_is_one_of_those_there_are():
    check_known("bc", ["bc", "iql"], "study.learners")
    with pytest.raises(RefusedError, match=r"study\.learners\.ibl: .*mean iql\?"):
        check_known("ibl", ["bc", "iql"], "study.learners")
    with pytest.raises(RefusedError, match="remove it"):
        check_known("bc", [], "study.learners")


def test_a_target_of_this_project_is_found():
    assert resolve("tasks.learn.sac.SAC", "train.sac") is SAC


@pytest.mark.parametrize(
    "target",
    [
        "",
        "SAC",
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "tasks",
        "tasks.learn.sac",  # a module
        "tasks.learn.sac.torch",  # a module of another project
        "tasks.learn.sac.Tensor",  # a class of another project
        "tasks.train.cores.actor_critic.bellman_loss",  # a function
        "tasks.artifacts.files.shutil.rmtree",
        "tasks.train.nothing.IQL",
        "tasks.learn.sac.Nothing",
        "tasks..sac.SAC",
        "tasksother.module.Class",
        "tests.artifacts.test_params.Block",
    ],
)
def test_a_target_elsewhere_is_refused(target: str):
    with pytest.raises(RefusedError, match="train.iql._target_"):
        resolve(target, "train.iql")


def test_a_target_in_another_room_is_refused():
    with pytest.raises(RefusedError, match=r"a class under tasks\.nets"):
        resolve("tasks.learn.sac.SAC", "policy", package="tasks.nets.")


def test_a_missing_dependency_is_no_wrong_target(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "tasks.train.td3_bc", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match="torch"):
        resolve("tasks.train.td3_bc.TD3BC", "train.td3_bc")


@pytest.mark.parametrize("block", [{}, {"_target_": None}, {"_target_": ["os.system"]}])
def test_a_block_without_target_is_refused(block: dict[str, Any]):
    with pytest.raises(RefusedError, match="train.iql._target_"):
        build(block, "train.iql")


def test_a_target_without_parameters_is_refused():
    with pytest.raises(RefusedError, match="a class with Parameters"):
        build({"_target_": "tasks.train.Batch"}, "train.iql")


def test_a_block_is_built(monkeypatch: pytest.MonkeyPatch):
    class Method:
        Parameters = Ordered

        def __init__(self, params: Ordered, seeds: tuple[int, ...]) -> None:
            self.params, self.seeds = params, seeds

    monkeypatch.setattr("tasks.artifacts.params.resolve", lambda *_: Method)
    made = build({"_target_": "tasks.x.Y", "low": 0, "high": 1}, "x", seeds=(3,))
    assert (made.params, made.seeds) == (Ordered(0, 1), (3,))
