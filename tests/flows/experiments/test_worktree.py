"""Everything about a study's worktree but the graph; a made-up one stands for it."""

import os
import shutil
import threading
from pathlib import Path

import pytest
import yaml

from flows.experiments import worktree
from flows.experiments.experiment import git
from flows.experiments.plan import plan
from flows.experiments.worktree import MARK, perform
from tasks.artifacts.errors import RefusedError
from tests.flows.experiments.clone import METRICS, shown, write

pytestmark = pytest.mark.slow


def test_it_ends_as_an_experiment_on_the_commit(root: Path):
    study = plan(root, "smoke", ["train.bc.actor_rate=0.002"])
    assert study.key == study.experiment
    where: list[Path] = []
    said: list[str] = []

    def graph() -> None:
        where.append(Path.cwd())
        assert yaml.safe_load(Path("params.yaml").read_text())["study"]["seeds"]
        assert Path("environment.json").read_bytes() == (
            (root / "environment.json").read_bytes()
        )
        Path(".offcut/logs").mkdir()
        Path(".offcut/logs/report.log").write_text("well\n")
        METRICS.write_text("{}\n")
        Path("data/report/made.csv").write_text("a\n")
        Path("data/report/index.html").write_text("<html>")

    saved = perform(study, graph, tell=said.append)
    assert where == [root.resolve() / ".offcut/studies" / study.key]
    assert not where[0].exists()
    page = root.resolve() / "data/experiments" / study.experiment / "index.html"
    assert said == [f"report: {page}"]
    shutil.rmtree(page.parents[1])
    assert (saved.name, saved.how) == (study.experiment, "new")
    assert f"dvc exp apply {study.experiment}" in str(saved)
    assert git(root, "rev-parse", f"{saved.commit}^") == git(root, "rev-parse", "HEAD")
    changed = git(root, "diff", "--name-only", "HEAD", saved.commit)
    assert changed.split() == ["data/report/made.csv", str(METRICS), "params.yaml"]
    assert shown(study, "params.yaml") + "\n" == study.params
    assert (root / ".offcut/logs" / study.key / "report.log").read_text() == "well\n"


def test_where_all_was_cached_it_still_gets_its_page(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    real = worktree._run_module

    def render(folder: Path, module: str, *arguments: str) -> None:
        if module == "tasks.report":
            (folder / "data/report/index.html").write_text("rendered")
        else:
            real(folder, module, *arguments)

    def cached() -> None:
        METRICS.write_text('{"a": 5}')
        Path("data/report/table.json").write_text("{}")

    monkeypatch.setattr(worktree, "_run_module", render)
    said: list[str] = []
    saved = perform(plan(root, "smoke"), cached, tell=said.append)
    page = root.resolve() / "data/experiments" / saved.name / "index.html"
    assert page.read_text() == "rendered"
    assert f"report: {page}" in said
    shutil.rmtree(root / "data/experiments")


def test_the_same_study_again_is_the_same_experiment(root: Path):
    study = plan(root, "smoke")
    first = perform(study, write("{}"))
    assert plan(root, "smoke", ["study.batch=64"]).key == study.key
    again = perform(study, write("{}"))
    assert (again.commit, again.how) == (first.commit, "the same as before")
    other = perform(study, write("[]"))
    assert other.how == "replaced"
    assert shown(study, str(METRICS)) == "[]"


def test_a_name_that_is_another_experiments_is_refused(root: Path):
    perform(plan(root, "smoke", experiment="mine"), write("{}"))
    with pytest.raises(RefusedError, match="mine: .*dvc exp remove mine"):
        plan(root, "smoke", ["study.batch=32"], "mine")


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("smok", [], "smok: found no such study, .*did you mean smoke"),
        ("../smoke", [], "study: found '../smoke', expected 1 to 64 letters"),
        ("smoke", ["train.bc.actor_rat=1"], "expected e.g. train.bc.actor_rate;"),
        ("smoke", ["train.bc.actor_rate=2"], r"found 2, expected \[0, 1\]; change the"),
        ("smoke", ["+train.bc.alpha=2"], "train.bc.alpha: found an unknown key"),
        ("smoke", ["study.learners=[bcc]"], "study.learners.bcc: .*mean bc"),
        ("smoke", ["study=quickstart"], "name one study only"),
        ("smoke", ["rate"], "composition: found study=smoke rate"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    root: Path, name: str, overrides: list[str], said: str
):
    before = sorted(root.rglob("*"))
    with pytest.raises(RefusedError, match=said) as error:
        plan(root, name, overrides)
    assert "\n" not in str(error.value)
    assert sorted(root.rglob("*")) == before


def test_changed_files_are_refused_and_new_ones_left_alone(root: Path):
    readme, mine = root / "README.md", root / "notes.txt"
    before = readme.read_text()
    mine.write_text("mine")
    readme.write_text("changed")
    try:
        with pytest.raises(RefusedError, match="found README.md, .*git stash"):
            plan(root, "smoke")
        readme.write_text(before)
        assert plan(root, "smoke").new == ()
    finally:
        mine.unlink()
        readme.write_text(before)


def fail() -> None:
    """A graph of which a stage fails, some way on."""
    Path("README.md").write_text("edited to see why")
    Path("note.txt").write_text("new")
    Path("dvc.lock").write_text(Path("dvc.lock").read_text() + "# more\n")
    Path(".offcut/checkpoints").mkdir()
    Path(".offcut/checkpoints/half").write_text("half")
    Path(".dvc/tmp").mkdir()
    Path(".dvc/tmp/rwlock").write_text("cut o")
    Path(git(Path(), "rev-parse", "--absolute-git-dir"), "index.lock").touch()
    raise RefusedError("dvc.yaml", "stages", "1 that failed: report", "none", "mend it")


def test_after_a_failure_it_stays_and_goes_on(root: Path):
    study = plan(root, "smoke")
    with pytest.raises(RefusedError, match=r"1 that failed: report, .* it stays in "):
        perform(study, fail)
    said: list[str] = []

    def graph() -> None:
        assert Path("README.md").read_text() == (root / "README.md").read_text()
        assert not Path("note.txt").exists()
        assert not Path(".dvc/tmp/rwlock").exists()
        assert Path("dvc.lock").read_text().endswith("# more\n")
        assert Path(".offcut/checkpoints/half").read_text() == "half"
        assert Path("params.yaml").read_text() == study.params

    saved = perform(study, graph, tell=said.append)
    assert said == [f"going on in .offcut/studies/{study.key}"]
    assert git(root, "diff", "--name-only", "HEAD", saved.commit) == "dvc.lock"
    assert not study.folder.exists()


@pytest.mark.parametrize(
    "what", ["mark", "git file", "entry", "begun", "commit", "all"]
)
def test_a_worktree_that_is_not_whole_is_made_anew(root: Path, what: str):
    study = plan(root, "smoke")
    with pytest.raises(RefusedError):
        perform(study, fail)
    folder = study.folder
    if what == "mark":
        (folder / MARK).unlink()
    elif what == "git file":
        (folder / ".git").unlink()
    elif what == "entry":
        git(root, "worktree", "remove", "--force", str(folder))
    elif what == "begun":
        git(root, "worktree", "remove", "--force", str(folder))
        (root / ".git/worktrees" / study.key).mkdir(parents=True)
        (root / ".git/worktrees" / study.key / "locked").touch()
    elif what == "commit":
        (folder / MARK).write_text('{"commit": "')
    else:
        shutil.rmtree(folder)
    assert perform(study, write("{}"), tell=pytest.fail).how == "new"
    assert not folder.exists()
    assert not list((root / ".git/worktrees").glob("*"))


def test_the_same_study_twice_at_once_waits(root: Path):
    study = plan(root, "smoke")
    started, waits, go_on = (threading.Event() for _ in range(3))
    said: list[str] = []

    def first() -> None:
        started.set()
        assert go_on.wait(240)
        METRICS.write_text("{}")

    def tell(line: str) -> None:
        said.append(line)
        waits.set()

    results: list[str] = []
    one = threading.Thread(target=lambda: results.append(perform(study, first).how))
    one.start()
    assert started.wait(240)
    two = threading.Thread(
        target=lambda: results.append(perform(study, write("{}"), tell=tell).how)
    )
    two.start()
    assert waits.wait(240)
    go_on.set()
    one.join(60)
    two.join(60)
    assert results == ["new", "the same as before"]
    assert f"of process {os.getpid()}" in said[0]
