"""The whole graph on the smallest study, in a repository of its own."""

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tasks.artifacts.files import sha256
from tasks.artifacts.onnx_policy import OnnxPolicy
from tests.e2e.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

BRANCH = "pendulum_mixture-bc"
VARIANTS = ("float32", "distill-int8_static")
STAGES = {
    "code",
    "generate@pendulum_mixture",
    f"train@{BRANCH}",
    *(f"compress@{BRANCH}-{name}" for name in ("float32", "distill")),
    f"chain@{BRANCH}-distill-int8_static",
    *(f"{s}@{BRANCH}-{v}" for s in ("export", "evaluate") for v in VARIANTS),
    f"profile@{BRANCH}",
    "report",
}
CACHED = ("datasets", "policies", "compressed", "onnx", "evaluations", "profiles")
KILLS = 2


@pytest.fixture(scope="module")
def project(smoke: Path) -> Iterator[Project]:
    assert set(json.loads((smoke / "ran.json").read_text())) == STAGES
    made = Project(smoke / "clone")
    yield made
    shutil.rmtree(made.folder)


def test_every_artifact_is_there_and_opens(project: Project):
    page = project.data("report/index.html").read_text("utf-8")
    assert "<title>" in page
    assert not re.search(r'(?:src|href)="https?:', page)
    metrics = json.loads(project.data("report/metrics.json").read_text())
    assert metrics
    leaf = ("pendulum_mixture", "bc")
    for variant in VARIANTS:
        scores = project.data("evaluations", *leaf, variant, "metrics.json")
        assert json.loads(scores.read_text())["seeds"] == [0, 1]
        latency = project.data("profiles", *leaf, variant, "latency.json")
        assert set(json.loads(latency.read_text())["batches"]) == {"1", "256"}
        files = sorted(project.data("onnx", *leaf, variant).glob("*.onnx"))
        assert [p.name for p in files] == ["seed-0.onnx", "seed-1.onnx"]
        for path in files:
            opened = OnnxPolicy.open(path)
            assert opened.contract["variant"] == variant
            assert opened.contract["parity"]["max"] <= 1e-4
            assert np.abs(opened.act(np.ones((3, 3)))).max() <= 2
    assert not project.leftovers()


def test_a_second_run_does_nothing(project: Project):
    lock = project.lock()
    assert "up to date" in project.dvc("status")
    assert project.repro() == set()
    assert project.lock() == lock
    assert project.run("git", "status", "--porcelain") == ""


# in one process, since starting costs more than refusing; a file stands in the way
BLOCKED = """
import runpy, sys
from pathlib import Path
for line in sys.stdin.read().split("\\n"):
    stage, folder, *arguments = line.split()
    kept = Path(folder).rename("kept")
    Path(folder).write_text("in the way")
    sys.argv = [stage, *arguments]
    try:
        runpy.run_module(f"tasks.{stage}", run_name="__main__")
    except SystemExit as ended:
        print(stage, ended.code, flush=True)
    assert Path(folder).read_text() == "in the way"
    Path(folder).unlink()
    kept.rename(folder)
"""


def test_every_stage_refuses_an_output_it_cannot_write(project: Project):
    of = "--dataset pendulum_mixture --learner bc"
    variant = f"{of} --variant float32"
    lines = [
        "generate data/datasets --dataset pendulum_mixture",
        f"train data/policies/pendulum_mixture {of}",
        f"compress data/compressed/pendulum_mixture/bc {of} --compressor float32",
        f"export data/onnx/pendulum_mixture/bc {variant}",
        f"evaluate data/evaluations/pendulum_mixture/bc {variant}",
        f"profile data/profiles/pendulum_mixture/bc {of}",
        "report data/report",
    ]
    said = project.run("python", "-c", BLOCKED, given="\n".join(lines))
    ended = dict(re.findall(r"^(\w+) (\d)$", said, re.MULTILINE))
    assert ended == {line.split()[0]: "1" for line in lines}
    refusals = [s for s in said.splitlines() if s.startswith("refused: ")]
    assert len(refusals) == len(lines)
    assert all("move away the file that stands in its place" in s for s in refusals)
    assert "up to date" in project.dvc("status")


def test_a_changed_compressor_reruns_only_its_branch(project: Project):
    """Its output changes, so all that stands on it runs, and nothing else."""
    other = "compress.distill.steps=60"
    project.run("python", "-m", "tasks.artifacts.compose", "study=smoke", other)
    ends = [s for s in STAGES if s.startswith("export")]
    assert project.repro(*ends) == {
        "code",  # it checks the parameters
        f"compress@{BRANCH}-distill",
        f"chain@{BRANCH}-distill-int8_static",
        f"export@{BRANCH}-distill-int8_static",
    }
    project.restore()


def test_killed_at_random_moments_it_ends_with_the_same_lock(project: Project):
    """And every stage writes the same bytes again, since there is no cache."""
    lock = project.lock()
    hashes = {name: sha256(project.data(name)) for name in ("onnx", "report/plots")}
    for name in CACHED:
        shutil.rmtree(project.data(name))
    project.run("git", "checkout", "-q", "data/evaluations")  # its README, no output
    shutil.rmtree(project.folder / ".dvc/cache")
    moments = random.Random(0)  # noqa: S311
    for _ in range(KILLS):
        project.run("python", "-m", "tasks.artifacts.mend", "--keep")  # as `make run`
        running = subprocess.Popen(
            ["python", "-m", "dvc", "repro", "--no-run-cache"],
            cwd=project.folder,
            env=project.env,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(moments.uniform(0.5, 3))
        os.killpg(running.pid, signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        project.run("python", "-m", "tasks.artifacts.mend")
        assert set(yaml.safe_load(project.lock())["stages"]) >= STAGES
    assert "report" in project.repro("--no-run-cache")
    assert project.lock() == lock
    assert {name: sha256(project.data(name)) for name in hashes} == hashes
    assert not project.leftovers()
    assert "up to date" in project.dvc("status")


def refusals(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("refused: ")]


def test_a_folder_of_the_users_is_refused_by_both_doors(project: Project):
    """As a dataset that params.yaml names; nothing is removed, nothing is run."""
    mine = project.data("datasets/mine-v0")
    mine.mkdir()
    (mine / "mine.csv").write_text("1,2\n")
    path, lock = project.folder / "params.yaml", project.lock()
    params = yaml.safe_load(path.read_text())
    params["dataset"]["mine"] = params["dataset"][BRANCH.rpartition("-")[0]]
    path.write_text(yaml.safe_dump(params))
    words = "refused: data/datasets/mine-v0: output of generate@mine: "
    try:
        for said in (
            project.dvc("repro", code=255),
            project.run("python", "-m", "flows", "--local", code=1),
        ):
            assert [line.startswith(words) for line in refusals(said)] == [True]
            assert "Traceback" not in said
        assert (mine / "mine.csv").read_text() == "1,2\n"
        assert project.lock() == lock
    finally:
        shutil.rmtree(mine)
        project.restore()
    project.repro()
    assert project.lock() == lock


@pytest.mark.parametrize("text", ["x", "{}", None])
def test_another_machines_environment_is_refused_first(
    project: Project, text: str | None
):
    path, lock = project.folder / "environment.json", project.lock()
    before, policies = path.read_text(), sha256(project.data("policies"))
    try:
        path.unlink()
        if text is not None:
            path.write_text(text)
        said = project.dvc("repro", code=255)
        assert "environment.json" in (refusals(said) or [said])[0]
        assert "Running stage 'train" not in said
        assert project.lock() == lock
        assert sha256(project.data("policies")) == policies
    finally:
        path.write_text(before)
    project.repro()
    assert project.lock() == lock


def test_an_experiment_runs_and_compares(project: Project):
    """A parameter of the late stages, so that few of them run."""
    key = "evaluate.returns.start_seed"
    project.dvc("exp", "run", "-S", "study=smoke", "-S", f"{key}=7")
    rows = list(csv.DictReader(io.StringIO(project.dvc("exp", "show", "--csv"))))
    assert {row[key] for row in rows} == {"0", "7"}
    changed: Any = json.loads(project.dvc("metrics", "diff", "--json"))
    assert "data/report/metrics.json" in str(changed)
    assert "diff" in str(changed)
    project.restore()
    assert "up to date" in project.dvc("status")


def test_another_study_runs_beside_it(project: Project):
    """tests/flows/test_study.py has the rest, on a smaller graph."""
    command = ("python", "-m", "flows.study", "smoke", "--local")
    said = project.run(*command, "evaluate.returns.resamples=150")
    states = re.findall(r"^(\S+): (cached|completed),", said, re.MULTILINE)
    assert set(dict(states)) >= STAGES
    done = {name for name, state in states if state == "completed"}
    assert done == {s for s in STAGES if s.startswith(("code", "evaluate", "report"))}
    found = re.search(r"^experiment (\S+): new;", said, re.MULTILINE)
    assert found
    assert found[1] in project.dvc("exp", "list")
    assert project.run("git", "status", "--porcelain") == ""


def test_an_override_out_of_range_is_refused(project: Project):
    lock, policies = project.lock(), sha256(project.data("onnx"))
    given = ("-S", "study=smoke", "-S", "train.bc.actor_rate=2")
    output = project.dvc("exp", "run", *given, code=255)
    refusals = [s for s in output.splitlines() if s.startswith("refused: ")]
    assert refusals == [
        "refused: params.yaml: train.bc.actor_rate: found 2, expected [0, 1]; "
        "change it in params/ and run: make params"
    ]
    assert project.lock() == lock
    assert sha256(project.data("onnx")) == policies
    assert project.data("policies", "pendulum_mixture", "bc").exists()
    assert not project.leftovers()
    project.restore()


def test_an_unknown_override_is_refused(project: Project):
    said = project.dvc(
        "exp", "run", "-S", "study=smoke", "-S", "train.bc.actor_rat=1", code=255
    )
    assert "actor_rat" in said
    assert project.run("git", "status", "--porcelain") == ""
