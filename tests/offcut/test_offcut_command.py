"""The command `offcut`: what it prints, and refusals in one line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from offcut.__main__ import main
from offcut.card import card
from offcut.policy import Policy
from tasks.worlds import WorldParams
from tasks.worlds.pendulum import Pendulum
from tests.artifacts.test_onnx_policy import restate, write
from tests.compress.harness import make_policy

BEHAVIORS = Path(__file__).parents[2] / "data/behaviors"
EXPERT = str(BEHAVIORS / "pendulum/expert.onnx")


def test_a_card_says_what_goes_in_and_out(capsys: pytest.CaptureFixture[str]):
    assert main(["card", EXPERT]) == 0
    text = capsys.readouterr().out
    assert "| input `observation` | (batch, 3) |" in text
    assert "| output `action` | (batch, 1) | -2 to 2 |" in text
    assert "Pendulum-v1" in text
    assert 'InferenceSession("expert.onnx", options)' in text
    assert "- No licence is stated" in text


def test_one_card_stands_for_the_files_of_a_variant(tmp_path: Path):
    made = make_policy(seeds=(4, 7))
    files = [write(tmp_path / f"{k}.onnx", made, k) for k in (0, 1)]
    told = [{"max": 1e-6 * k, "rows": 9} for k in (1, 2)]
    for path, parity in zip(files, told, strict=True):
        restate(path, both=True, parity=parity)
    text = card(*map(Policy.open, files))
    assert text.startswith("# bc / float32\n")
    assert "with seeds 4, 7, compressed as `float32`" in text
    assert "bytes a file, one a seed." in text
    assert "at most 2e-06 from the network" in text
    restate(files[1], both=True, parity={"max": "none", "rows": 9})
    assert "was exported from: not stated" in card(*map(Policy.open, files))


@pytest.mark.parametrize(
    ("more", "made", "words"),
    [
        ({}, "learn.sac", "its world; the data are for comparing."),
        ({"data_share": 0.5}, "learn.sac", "its world, and from the data."),
        ({}, "train.sac_n", "its world, and from the data."),
    ],
)
def test_a_card_says_whether_an_online_learner_saw_the_data(
    more: dict[str, float], made: str, words: str, tmp_path: Path
):
    path = write(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    restate(path, both=True, learned={"steps": 60, **more}, made_by=[{"method": made}])
    assert f"- Learned by acting in {words}" in card(Policy.open(path))


def test_a_card_prints_no_control_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    restate(path, both=True, variant="\x1b[2Jgone\n# Another card")
    assert main(["card", str(path)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\n# Another card" not in text


def test_a_bench_prints_microseconds(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", EXPERT, "--calls", "20"]) == 0
    assert "of 20 calls at batch 1 on one thread" in capsys.readouterr().out


def test_episodes_are_those_of_the_seed(capsys: pytest.CaptureFixture[str]):
    assert main(["play", EXPERT, "--episodes", "3", "--seed", "7"]) == 0
    whole = capsys.readouterr().out.splitlines()
    assert main(["play", EXPERT, "--episodes", "1", "--seed", "8"]) == 0
    again = capsys.readouterr().out.splitlines()
    assert whole[1].split(": ")[1] == again[0].split(": ")[1]
    returns = [float(line.split()[3]) for line in whole[:3]]
    assert float(whole[3].split()[-1]) == pytest.approx(np.mean(returns), abs=0.01)
    params = WorldParams("pendulum", "Pendulum-v1", 200, -1500.0, 0.0, "no")
    assert f"in {Pendulum(params).params.max_steps} steps" in whole[0]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["card", "nothing.onnx"], "nothing.onnx: file: found No such file"),
        (["play", str(BEHAVIORS / "taxi/expert.onnx")], "Taxi-v4: found Discrete"),
    ],
)
def test_refusals_are_one_line(
    words: list[str], match: str, capsys: pytest.CaptureFixture[str]
):
    assert main(words) == 1
    said = capsys.readouterr()
    assert match in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_world_that_gymnasium_does_not_register_is_never_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = write(tmp_path / "a.onnx", make_policy(seeds=(4, 7)))
    restate(path, both=True, env_id="antigravity:Hopper-v5")
    assert main(["play", str(path)]) == 1
    assert "expected an id that Gymnasium has registered" in capsys.readouterr().err
    assert "antigravity" not in sys.modules


def test_without_gymnasium_playing_is_refused_and_the_rest_works():
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "from offcut.__main__ import main\n"
        f"sys.exit(main(['play', {EXPERT!r}]) + 2 * main(['card', {EXPERT!r}]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "install it with: pip install gymnasium" in run.stderr
    assert run.stderr.count("\n") == 1
