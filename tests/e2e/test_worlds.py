"""Environments nobody here wrapped: one command to a world, then its study, tiny."""

import json
from pathlib import Path

import pytest

from tasks.artifacts.rows import load_transitions
from tests.e2e.project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TINY = (
    *("study.updates=20", "study.seeds=[0]", "study.batch=32"),
    *("evaluate.returns.episodes=2", "evaluate.returns.resamples=200"),
    *("profile.latency.repeats=10", "profile.latency.rounds=2"),
)
DESCRIBE = ("python", "-m", "tasks.worlds.engine.describe")
WORLDS = {
    "car": ("MountainCarContinuous-v0", 2, 1, ""),
    "arm": ("Reacher-v5", 10, 2, "reward_control_weight=0.5"),
    "ball": ("PointMaze_Open-v3", 8, 2, "continuing_task=false"),
    "swing": ("Acrobot-v1", 6, 3, ""),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("worlds") / "clone")


@pytest.mark.parametrize("name", WORLDS)
def test_one_command_to_a_world_and_one_to_its_study(project: Project, name: str):
    env_id, observation, action, kwargs = WORLDS[name]
    more = ["--kwargs", kwargs] if kwargs else []
    said = project.run(*DESCRIBE, "--env", env_id, "--name", name, *more)
    assert f"now: make study NAME={name}" in said
    changes = [f"study={name}", *TINY, f"dataset.{name}_random.generate.steps=600"]
    if name in ("arm", "ball"):  # the others train both learners
        changes.append("study.learners=[bc]")
    project.run("python", "-m", "tasks.artifacts.compose", *changes)
    ran = project.repro()
    data = f"{name}_random"
    assert {"code", f"generate@{data}", f"evaluate@{data}-bc-int8_static"} <= ran
    rows = load_transitions(project.data("datasets", f"{data}-v0"))
    assert rows.observation.shape[1:] == (observation,)
    assert rows.action.shape[1:] == (action,)
    numbers = json.loads(project.data("report/table.json").read_text())[data]
    assert len(numbers) == (1 if name in ("arm", "ball") else 2)
    for variants in numbers.values():
        assert variants["int8_static"]["bytes"] < variants["float32"]["bytes"]
    assert project.repro() == set()


def test_a_study_runs_with_files_that_nobody_committed(project: Project):
    project.run("git", "checkout", "-q", ".")  # what the tests before left changed
    options = ("--env", "FrozenLake-v1", "--name", "lake", "--kwargs")
    project.run(*DESCRIBE, *options, "is_slippery=false")
    short = "dataset.lake_random.generate.steps=300"
    changes = " ".join((*TINY, short, "study.learners=[bc]"))
    study = ("-m", "flows.study", "--local", f"--set={changes}", "--", "lake")
    said = project.run("python", *study)
    assert "11 stages: 11 completed" in said
    assert "experiment lake-" in said


def test_described_again_it_keeps_what_was_edited(project: Project):
    study = project.folder / "params/study/swing.yaml"
    study.write_text(study.read_text() + "# mine\n")
    world = project.folder / "params/world/swing.yaml"
    before = world.read_bytes()
    said = project.run(*DESCRIBE, "--env", "Acrobot-v1", "--name", "swing")
    assert "params/study" not in said
    assert study.read_text().endswith("# mine\n")
    assert world.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("Reecher-v5", "x"), "did you mean Reacher-v5"),
        (("json:Reacher-v5", "x"), "without a module before it"),
        (("Acrobot-v1", "hopper"), "another world, 'Hopper-v5'"),
        (("Acrobot-v1", "engine2", "--kwargs", "x"), "KWARGS: words: found 'x'"),
        (("Acrobot-v1", "y", "--kwargs", "a=../b"), "kwargs: found"),
        (("Acrobot-v1", "y", "--kwargs", "a=1"), "with kwargs {'a': 1}: found TypeE"),
        (("Reacher-v5", "y", "--policy", "none.onnx"), "none.onnx"),
        (("Acrobot-v1", "../y"), "1 to 64 letters"),
    ],
)
def test_what_is_no_world_is_refused(
    project: Project, options: tuple[str, ...], words: str
):
    env_id, name, *rest = options
    place = project.folder / "params/world"
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    said = project.run(*DESCRIBE, "--env", env_id, "--name", name, *rest, code=1)
    assert words in said
    assert (
        len([line for line in said.splitlines() if "refused" in line or words in line])
        == 1
    )
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_an_expert_gives_score_100(project: Project):
    """A behaviour policy that is in git, in Gymnasium's own environment."""
    expert = "data/behaviors/pendulum/expert.onnx"
    assert Path(project.folder / expert).is_file()
    options = ("--env", "Pendulum-v1", "--name", "swung", "--policy", expert)
    said = project.run(*DESCRIBE, *options)
    assert "random actions return -12" in said
    text = (project.folder / "params/world/swung.yaml").read_text()
    high = float(text.split("ref_max: ")[1].split()[0])
    assert -200 < high < -100
    assert expert in text
