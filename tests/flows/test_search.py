"""Searches: trials by Optuna, each an experiment, on a graph that takes a second."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flows.experiments.trials import imported
from flows.search import budget
from tasks.artifacts.errors import RefusedError
from tests.flows.small import DATASET, Small

RATE = "train.bc.actor_rate"
# the rate is the score, of two files, and one over 0.05 cannot be reported
REPORT = (
    "awk '/actor_rate/ {if ($2 > 0.05) exit 1; printf "
    f'"{{\\"{DATASET}\\": {{\\"bc\\": {{'
    '\\"float32\\": {\\"score\\": %s, \\"bytes\\": 9000}, '
    '\\"w8\\": {\\"score\\": %s, \\"bytes\\": 900}}}}", $2, $2 / 2}\' '
    f"data/policies/{DATASET} > data/report/table.json"
)


class Searched(Small):
    """The small project whose report leaves the table of all files."""

    def fill(self) -> None:
        super().fill()
        path = self.folder / "dvc.yaml"
        stages = yaml.safe_load(path.read_text())
        report = stages["stages"]["report"]
        report["cmd"].append(REPORT)
        report["outs"] = ["data/report/table.json"]
        path.write_text(yaml.safe_dump(stages, sort_keys=False))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    pytest.importorskip("optuna")
    made = Searched(tmp_path_factory.mktemp("search") / "clone")
    yield made
    shutil.rmtree(made.folder)


def command(*arguments: str, space: str = f"{RATE}=1e-4..1e-2(log)") -> list[str]:
    given = ["--local", f"--space={space}", *arguments]
    return ["python", "-m", "flows.search", "smoke", *given]


def proposed(said: str) -> dict[int, str]:
    """Values by trial."""
    found = re.findall(r"^trial (\d+): (\S+); log", said, re.MULTILINE)
    return {int(number): values for number, values in found}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_that_is_killed_goes_on(project: Searched):
    """What ended is kept, what was killed is run to its end: each an experiment."""
    project.hold.touch()  # so that the first trial is killed within a stage
    running = subprocess.Popen(
        command("--trials=2"),
        cwd=project.folder,
        env=project.env,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    logs = project.folder / ".offcut/studies"
    deadline = time.monotonic() + 240
    try:
        while not list(logs.glob("*/.offcut/logs/evaluate.log")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        first, _ = running.communicate()
    project.hold.unlink()
    said = project.run(*command("--trials=2"))
    trials = proposed(said)
    assert proposed(first) == {0: f"{RATE}=0.001"}  # the study's own comes first
    assert trials[0] == f"{RATE}=0.001"
    assert sorted(trials) == [0, 1]
    name = re.search(r"^search (\S+):", said)
    assert name
    listed = project.dvc("exp", "list", "--name-only").split()
    assert {f"{name[1]}-{n}" for n in range(2)} <= set(listed)
    best = re.search(r"^best of 2: .* by bc / float32 at 9,000 B, (\S+),", said, re.M)
    assert best
    assert f"dvc exp apply {best[1]}" in said
    assert re.search(r"make study NAME=smoke SET=\".* 'study.seeds=\[2,3\]'\"$", said)

    # more trials of the same search; those that ended are not run again
    more = project.run(*command("--trials=3"))
    assert "2 trials have ended before" in more
    assert sorted(proposed(more)) == [2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_trials_that_fail_end_the_search(project: Searched):
    space = f"{RATE}=0.1,0.2,0.3"
    said = project.run(*command("--trials=9", space=space), code=1)
    assert said.count(" failed: study smoke: stages: found 1 that failed") == 2
    assert "refused: study smoke: stages: found 1 that failed" in said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_file_that_is_too_large_has_no_value(project: Searched):
    said = project.run(*command("--trials=1", "--goal=score at <= 800 B"))
    assert "trial 0: no file is small enough; no best" in said
    assert "no trial has a value yet" in said


def test_the_door_refuses_before_anything_is_written(
    tmp_path_factory: pytest.TempPathFactory,
):
    made = Small(tmp_path_factory.mktemp("door") / "clone")
    for space, expected in (
        (f"{RATE}=0.1..7", r"train.bc.actor_rate: found 7.0, expected \[0, 1\]"),
        ("train.bc.rate=0.1..1", "SPACE: train.bc.rate: found an unknown key"),
    ):
        said = made.run(*command(space=space), code=1)
        assert re.match(f"refused: .*{expected}", said)
        assert said.count("\n") == 1
    assert not (made.folder / ".offcut/search").exists()


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(RefusedError, match=r"pip install -e '\.\[search\]'"):
        imported()
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert re.search(r"^search = \[.optuna>=", text, re.MULTILINE)


def test_the_budget_is_trials_or_minutes_or_both():
    none = float("inf")
    assert budget("", "") == (20, none)
    assert budget("7", "") == (7, none)
    assert budget("", "1.5") == (none, 90)
    assert budget("7", "2") == (7, 120)


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan"])
def test_a_budget_of_nothing_is_refused(text: str):
    with pytest.raises(RefusedError, match="TRIALS: number"):
        budget(text, "")
    with pytest.raises(RefusedError, match="MINUTES: number"):
        budget("", text)
