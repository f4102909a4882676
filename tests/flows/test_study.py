"""Other studies beside the user's files, on a graph that takes a second.

tests/e2e/test_smoke.py has one of the project's own graph.
"""

import csv
import io
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.artifacts.files import sha256
from tests.e2e.project import Project
from tests.flows.small import Small

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHANGE = "train.bc.actor_rate=0.002"
KILLS = 2
DEADLINE = 240  # seconds
CHANGED = {"data/report/metrics.json", "dvc.lock", "params.yaml"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    made = Small(tmp_path_factory.mktemp("study") / "clone")
    made.run("python", "-m", "flows", "--local")
    made.commit()
    yield made
    shutil.rmtree(made.folder)


@pytest.fixture(autouse=True)
def untouched(project: Project) -> Iterator[None]:
    """Whatever a study does, the user's clone stays as it was."""
    before = seen(project)
    yield
    for place in worktrees(project):  # of a study that failed
        project.run("git", "worktree", "remove", "--force", str(place))
    assert seen(project) == before


def seen(project: Project) -> dict[str, str]:
    """Each file of the clone that is not DVC's or git's own, with its hash."""
    own = {".git", ".offcut", "tmp", "cache", "__pycache__"}
    files = [p for p in project.folder.rglob("*") if not own & {*p.parts}]
    return {str(p): sha256(p) for p in files if p.is_file()} | {
        said: project.run("git", *said.split())
        for said in ("status --porcelain", "worktree list", "rev-parse HEAD")
    }


def command(*arguments: str) -> list[str]:
    return ["python", "-m", "flows.study", "smoke", "--local", *arguments]


def start(project: Project, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(*arguments),
        cwd=project.folder,
        env=project.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def saved(said: str) -> tuple[str, str]:
    """The experiment a run names at its end, and how it was saved."""
    found = re.search(r"^experiment (\S+): ([\w ]+);", said, re.MULTILINE)
    assert found, said
    return found[1], found[2]


def lock_of(project: Project, name: str) -> str:
    """The dvc.lock of an experiment."""
    refs = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps")
    ref = next(r for r in refs.splitlines() if r.endswith(f"/{name}"))
    return project.run("git", "show", f"{ref}:dvc.lock")


def worktrees(project: Project) -> list[Path]:
    studies = project.folder / ".offcut/studies"
    return [path for path in studies.glob("*") if path.is_dir()]


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def first(project: Project) -> str:
    """What a run of the study CHANGE says, left alone."""
    return project.run(*command(CHANGE))


def test_a_study_is_listed_and_applied(project: Project, first: str):
    name, how = saved(first)
    assert how == "new"
    assert "generate@pendulum_mixture: cached, unchanged" in first
    assert worktrees(project) == []
    logs = project.folder / ".offcut/logs" / name
    assert "actor_loss" in (logs / "train@pendulum_mixture-bc.log").read_text()

    shown = project.dvc("exp", "show", "--csv")
    rows = {row["Experiment"]: row for row in csv.DictReader(io.StringIO(shown))}
    assert rows[name]["train.bc.actor_rate"] == "0.002"
    assert name in project.dvc("exp", "list")  # those on HEAD

    # again: all is known, and so is the experiment
    said = project.run(*command(CHANGE))
    assert saved(said) == (name, "the same as before")
    assert "completed," not in said

    project.dvc("exp", "apply", name)
    changed = project.run("git", "status", "--porcelain").splitlines()
    assert {line[3:] for line in changed} == CHANGED
    assert "up to date" in project.dvc("status")
    assert project.lock().decode() == lock_of(project, name)
    assert project.repro() == set()
    # results that it brought in keep no study from running
    assert saved(project.run(*command(CHANGE))) == (name, "the same as before")
    project.restore()


def test_studies_that_differ_run_at_once(project: Small):
    key = "evaluate.returns.resamples"  # the late stages alone
    project.hold.touch()
    runs = [start(project, f"{key}={n}", "--workers=1") for n in (100, 150)]
    logs = Path(".offcut/logs/evaluate.log")
    until(lambda: sum((w / logs).exists() for w in worktrees(project)) == 2)
    assert [run.poll() for run in runs] == [None, None]
    project.hold.unlink()
    said = [run.communicate(timeout=DEADLINE)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    names = [saved(one)[0] for one in said]
    assert lock_of(project, names[0]) != lock_of(project, names[1])
    assert worktrees(project) == []


def test_killed_at_random_moments_it_ends_the_same(project: Small, first: str):
    shutil.rmtree(project.folder / ".dvc/cache/runs")  # nothing is known of it
    moments = random.Random(1)  # noqa: S311
    project.hold.touch()  # so that it does not end before
    for _ in range(KILLS):
        running = start(project, CHANGE, "--name=killed")
        until(lambda: bool(worktrees(project)))
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(moments.uniform(0, 5))
        running.kill()
        running.communicate()
    project.hold.unlink()
    said = project.run(*command(CHANGE, "--name=killed"))
    assert saved(said) == ("killed", "new")
    assert worktrees(project) == []
    assert lock_of(project, "killed") == lock_of(project, saved(first)[0])


def test_a_failed_study_stays_until_it_is_given_up(project: Project):
    part = "{policy: nobody, steps: 50}"
    failing = command(f"dataset.pendulum_mixture.generate.parts=[{part}]")
    said = project.run(*failing, code=1).splitlines()
    assert re.match(r"refused: study smoke: stages: found 1 that failed, g", said[-1])
    (place,) = worktrees(project)
    log = place / ".offcut/logs/generate@pendulum_mixture.log"
    assert "nobody" in log.read_text()
    assert f"going on in {place.relative_to(project.folder)}" in project.run(
        *failing, code=1
    )
    give_up = re.search(r"git worktree remove --force \S+", said[-1])
    assert give_up
    project.run(*give_up[0].split())
    assert worktrees(project) == []


def test_make_study_passes_overrides_on(project: Project):
    """Unexpanded, by the environment; the recipe is looked at, not run."""
    said = project.run(
        *("make", "-n", "study", "NAME=smoke", "LOCAL=1"),
        "SET=train.bc.actor_hidden=[8,8] study.batch=32",
    )
    recipe = '.venv/bin/python -m flows.study --local --set="$SET" -- "$NAME"\n'
    assert recipe in said


def test_a_study_ended_by_a_signal_leaves_no_stage_behind(project: Project):
    running = start(project, "study.updates=20000", "--name=ended")
    assert running.stdout
    for line in running.stdout:
        if "actor_loss" in line:
            break
    (place,) = worktrees(project)
    running.send_signal(signal.SIGTERM)
    assert running.wait(DEADLINE) != 0

    def alive() -> bool:
        links = Path("/proc").glob("[0-9]*/cwd")
        return any(os.path.realpath(link) == str(place.resolve()) for link in links)

    until(lambda: not alive())


def test_locally_prefect_is_not_imported(project: Project):
    start_up = (
        "import runpy, sys; sys.modules['prefect'] = None; "
        "sys.argv = ['study', 'smok', '--local']; "
        "runpy.run_module('flows.study', run_name='__main__')"
    )
    names = sorted(p.stem for p in project.folder.glob("params/study/*"))
    said = project.run("python", "-c", start_up, code=1)
    assert said == (
        "refused: params/study: smok: found no such study, expected "
        f"{', '.join(names)}; did you mean smoke?\n"
    )


@pytest.mark.prefect
def test_in_prefect_its_stages_are_tasks_of_the_run(
    project: Project, first: str, warm: Callable[[Path], None]
):
    warm(project.folder)
    name = saved(first)[0]
    seen = ["python", "-m", "flows.study", "smoke"]
    said = project.run(*seen, CHANGE)
    assert saved(said.splitlines()[-1]) == (name, "the same as before")
    assert "subflow" not in said
    assert "Task run 'report' - Finished in state Cached(" in said
    assert re.search(
        rf"'study smoke {CHANGE}' - Finished in state Completed\('experiment", said
    )
    # refused before a server is started, which takes seconds
    said = project.run(*seen, "train.bc.actor_rate=2", code=1)
    assert said == (
        "refused: study smoke: train.bc.actor_rate: found 2, expected [0, 1]; "
        "change the override\n"
    )


@pytest.mark.prefect
def test_a_failed_study_is_a_failed_run(project: Project):
    part = "{policy: nobody, steps: 60}"
    override = f"dataset.pendulum_mixture.generate.parts=[{part}]"
    said = project.run("python", "-m", "flows.study", "smoke", override, code=1)
    named = f"'study smoke {override}' - Finished in state Failed("
    assert f"{named}'refused: study smoke: " in said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith("refused: study smoke: stages: found 1 that failed, gen")
    assert "git worktree remove --force" in last
