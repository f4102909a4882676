"""What is no name is refused at every door; what is one passes."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import add_name, check_name, check_names
from tasks.artifacts.stage import run_stage

ROOT = Path(__file__).parents[2]
WRONG = [
    *(
        "a$(touch${IFS}X)",
        "a;touch X",
        "a`touch X`",
        "a b",
        "a\nb",
        "a\n",
        "",
        "-a",
        "_a",
    ),
    *("../a", "a/b", "/a", "..", ".", "a.b", "a\\b", "a'b", 'a"b', "a|b", "a&b", "a>b"),
    *("a*", "a?", "~a", "#a", "a=b", "a:b", "a@b", "a%b", "\u00e9", "\u0661", "a" * 65),
    *(1, None, True, 1.5, ["a"], b"a"),
]
RIGHT = [
    "a",
    "A",
    "7",
    "a-b_c-7",
    "hopper_medium_replay",
    "distill-int8_static",
    "a" * 64,
]
HOSTILE = "a$(touch${IFS}X)"
PLACES = [
    *("dataset.hopper_medium_replay.method", "dataset.hopper_medium_replay.world.name"),
    "corruption.c.source",
    *("attack.k.source", "attack.k.attacker", "claim.c.bed", "bed.b.needs_dataset"),
    *("bed.b.needs_policies", "study.name", "study.gate", "study.chains.first"),
    *("study.datasets", "study.learners", "study.policies", "study.curves"),
    *("study.compressors", "study.variants", "study.estimators", "study.measured"),
    *("study.chains.then", "study.sampled.samplers", "study.sampled.steps"),
    *("study.weighted.weightings", "study.precision"),
]
KEYS = [
    *("dataset", "corruption", "attack", "train", "weighting", "compress", "export"),
    *("estimate", "bed", "claim", "evaluate", "profile", "measure", "report"),
    *("study", "study.sampled"),
]


@pytest.fixture
def params() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    loaded |= {"corruption": {"c": {"source": "d"}}, "weighting": {}, "estimate": {}}
    loaded |= {"attack": {"k": {"source": "d", "attacker": "iql"}}, "measure": {}}
    loaded["bed"] = {
        "b": {"needs_dataset": "data/datasets/d-v0", "needs_policies": "a.json"}
    }
    loaded["claim"] = {"c": {"bed": "data/beds/README.md"}}
    return loaded


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_name_is_refused_in_a_line(name: Any):
    with pytest.raises(RefusedError, match="x: found .*, expected 1 to 64") as error:
        check_name(name, "x")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", RIGHT)
def test_a_name_passes(name: str):
    assert check_name(name, "x") == name


def test_the_default_study_passes(params: dict[str, Any]):
    check_names(params)
    check_names({"study": {"title": "Any $(text) at all; really", "seeds": [0, 1]}})


@pytest.mark.parametrize("place", PLACES)
def test_every_place_of_a_name_is_looked_at(params: dict[str, Any], place: str):
    *above, last = place.split(".")
    block = params
    for key in above:
        block = block[key]
    for hostile in (HOSTILE, "../../../../tmp/evil"):
        block[last] = [hostile] if isinstance(block.get(last), list) else hostile
        with pytest.raises(RefusedError, match=f"{place}: found"):
            check_names(params)


@pytest.mark.parametrize("group", KEYS)
def test_every_key_is_looked_at(params: dict[str, Any], group: str):
    block = params
    for key in group.split("."):
        block = block[key]
    block[HOSTILE] = {}
    with pytest.raises(RefusedError, match=f"{group}, a key: found"):
        check_names(params)


@pytest.mark.parametrize("path", ["/etc/x", "../d", "data/../../x", "a//b", "", "a/"])
def test_a_path_of_a_bed_stays_in_the_project(params: dict[str, Any], path: str):
    params["bed"]["b"]["needs_dataset"] = path
    with pytest.raises(RefusedError, match=r"bed\.b\.needs_dataset: found"):
        check_names(params)


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        (HOSTILE, {}, "cut, a key: found"),
        ("d-iql-beta1", {"policy": HOSTILE}, "cut.policy: found"),
        ("d-iql-beta1", {"dataset": 10**5000}, "cut.dataset: found a number"),
        ("d-iql-beta1", {"learner": HOSTILE}, "cut.d-iql-beta1.learner: found"),
        ("d-iql-beta3", {}, "cut, a key: found 'd-iql-beta3', expected the names"),
    ],
)
def test_a_stage_of_a_sweep_is_called_after_two_names(
    key: str, change: dict[str, Any], said: str
):
    entry = {"dataset": "d", "learner": "iql", "policy": "iql-beta1"}
    check_names({"cut": {"d-iql-beta1": entry}})
    with pytest.raises(RefusedError, match=said):
        check_names({"cut": {key: entry | change}})


def test_an_option_is_refused_in_a_line(capsys: pytest.CaptureFixture[str]):
    def main() -> None:
        parser = argparse.ArgumentParser()
        add_name(parser, "--dataset", required=True)
        parser.parse_args(["--dataset", HOSTILE])

    assert run_stage(main) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("refused: command line: --dataset: found 'a$(touch")


COMMANDS = [
    *("generate --dataset X", "measure --dataset X", "measure --reference X"),
    *("train --dataset X --learner bc", "train --dataset d --learner X"),
    *(
        "train --dataset d --learner bc --weighting X",
        "weigh --dataset d --weighting X",
    ),
    *("compress --dataset d --learner X --compressor c", "beds --bed X"),
    *("compress --dataset d --learner l --compressor c --after X", "claims --claim X"),
    *("export --dataset d --learner l --variant X", "worlds --world X"),
    *("export --dataset d --learner l --variant v --sampler X --steps 2",),
    *("evaluate --dataset d --learner l --variant X", "behaviors --world X"),
    *("evaluate.learning --dataset d --learner X", "profile --dataset X --learner l"),
    *("estimate --dataset d --learner l --estimator X",),
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_what_is_no_name(command: str):
    module, *words = command.split()
    words = ["../../x" if word == "X" else word for word in words]
    run = [sys.executable, "-m", f"tasks.{module}", *words]
    ended = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "found '../../x', expected 1 to 64" in ended.stderr
    assert ended.stderr.count("\n") == 1
