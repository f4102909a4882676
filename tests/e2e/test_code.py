"""What reruns after which edit, and that no stage runs code that it does not know."""

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from tasks.code import of_method, write
from tests.e2e.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# one study with a transformer, a diffusion policy, a bed and a claim
MANY = (
    "study=sequences_smoke",
    "+train@train.dql=dql",
    "study.learners=[bc,dt,dql]",
    "study.compressors=[float32]",
    "study.variants=[float32]",
    "study.updates=20",
    "train.bc.actor_hidden=[16,16]",
    "train.dql.actor_hidden=[16,16]",
    "train.dql.critic_hidden=[16,16]",
    "train.dql.steps=2",
    "train.dql.average_from=5",
)


@pytest.fixture(scope="module")
def small(smoke: Path) -> Project:
    return Project(smoke / "copy")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("many") / "clone")
    project.run("python", "-m", "tasks.artifacts.compose", *MANY)
    project.commit()
    assert project.repro()
    project.commit()
    return project


def locked(project: Project) -> dict[str, Any]:
    """What dvc.lock says of the study's stages; it may hold those of others too."""
    with Repo(project.folder) as repo:
        names = {stage.name for stage in repo.index.stages if stage.cmd}
    stages = yaml.safe_load(project.lock())["stages"]
    assert names <= stages.keys()
    return {name: stage for name, stage in stages.items() if name in names}


def entries(value: Any) -> Iterator[dict[str, str]]:
    """All that artifacts say they were made by."""
    if isinstance(value, dict):
        yield from value.get("made_by") or ()
        for inner in value.values():
            yield from entries(inner)


def known(project: Project, stage: Any) -> set[str]:
    """Files a stage may load: of its code, and of classes that what it reads names."""
    files: set[str] = set()
    for dep in stage.get("deps", ()):
        path = project.folder / dep["path"]
        for file in path.rglob("*.json") if path.is_dir() else [path]:
            if file.suffix != ".json" or not file.exists():
                continue
            content = json.loads(file.read_text(encoding="utf-8"))
            if file.is_relative_to(project.data("code")):
                files |= content.keys()
            for entry in entries(content):
                files |= of_method(*entry["method"].split("."), project.folder).keys()
    return files


@pytest.mark.parametrize("which", ["small", "large"])
def test_no_stage_loads_what_is_not_in_its_closure(
    which: str, request: pytest.FixtureRequest
):
    project: Project = request.getfixturevalue(which)
    loaded = project.loaded()
    for name, stage in locked(project).items():
        command = " ".join(shlex.split(stage["cmd"])).removeprefix("python -m ")
        assert command in loaded, f"{name} did not say what it loaded"
        if name != "code":  # it checks all parameters, and depends on all of tasks/
            assert loaded[command] - known(project, stage) == set(), name


def after(project: Project, file: str) -> set[str]:
    """Stages that run again after an edit of a file, themselves or what they read."""
    path = project.folder / file
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    here = Path.cwd()
    os.chdir(project.folder)
    try:
        write(project.data("code"), project.folder)  # as the stage code would
        with Repo() as repo:
            changed = {name.split(":")[-1] for name in repo.status()} - {"code"}
            graph = repo.index.graph  # an edge from each stage to what it reads of
            below = [stage for stage in graph if stage.addressing in changed]
            for stage in below:  # grows while it is read
                below += [s for s in graph.predecessors(stage) if s not in below]
    finally:
        path.write_bytes(before)
        write(project.data("code"), project.folder)
        os.chdir(here)
    return {stage.addressing for stage in below}


def matching(project: Project, *patterns: str) -> set[str]:
    names = locked(project).keys() - {"code"}
    return {n for n in names if any(re.search(f"^(?:{p})", n) for p in patterns)}


DISTILL = ("compress@.*distill", "chain@", "(export|evaluate)@.*distill", "profile@")


@pytest.mark.parametrize(
    ("which", "file", "patterns"),
    [
        ("small", "tasks/artifacts/dataset.py", [""]),
        ("small", "tasks/artifacts/params.py", [""]),
        ("small", "tasks/nets/layers.py", ["(?!generate)"]),
        ("small", "tasks/nets/transformer.py", []),
        ("small", "tasks/train/cores/cloning.py", ["(?!generate)"]),
        ("small", "tasks/train/iql.py", []),
        ("small", "tasks/worlds/hopper.py", []),
        ("small", "tasks/worlds/pendulum.py", [""]),
        ("small", "tasks/report/cores/words.py", ["report"]),
        ("small", "tasks/report/cores/page.css", ["report"]),
        ("small", "tasks/compress/cores/regression.py", [*DISTILL, "report"]),
        ("small", "tasks/compress/gptq4.py", []),
        ("small", "tasks/statistics/verdict.py", ["report"]),
        ("large", "tasks/artifacts/params.py", [""]),
        ("large", "tasks/nets/transformer.py", [".*-dt", "report", "claim"]),
        ("large", "tasks/train/cores/diffusion.py", [".*-dql", "report", "claim"]),
        ("large", "tasks/beds/quest/arms.py", ["bed@quest", "claim@quest"]),
        ("large", "tasks/claims/quest.py", ["claim@quest"]),
    ],
)
def test_an_edit_runs_again_what_stands_on_it(
    which: str, file: str, patterns: list[str], request: pytest.FixtureRequest
):
    project: Project = request.getfixturevalue(which)
    assert after(project, file) == matching(project, *patterns)


def test_negated_actions_make_training_stale(small: Project):
    """A fault in reading a dataset changes weights; both doors must see it."""
    path = small.folder / "tasks/artifacts/rows.py"
    before = path.read_text(encoding="utf-8")
    right = "arrays = packed.read(*packed.names)\n"
    assert right in before
    weights = small.data("policies/pendulum_mixture/bc/policy.safetensors")
    trained = weights.read_bytes()
    wrong = right + '    arrays["action"] = -arrays["action"]\n'
    path.write_text(before.replace(right, wrong, 1))
    train = "train@pendulum_mixture-bc"
    try:
        assert small.repro("--dry") == {"code"}  # no more is known before it has run
        small.repro("code")
        assert train in small.repro("--dry")
        said = small.run("python", "-m", "flows", "--local", train)
        assert re.search(f"^{train}: completed", said, re.MULTILINE)
        assert weights.read_bytes() != trained
    finally:
        small.restore()
