import os
import subprocess
from pathlib import Path

import pytest

from flows.experiments.experiment import (
    baseline,
    check_experiment,
    git,
    git_or_none,
    save,
)
from tasks.artifacts.errors import RefusedError

PARAMS = "rate: 1\n"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "-b", "trunk", str(folder)], check=True)
    git(folder, "config", "user.name", "a")
    git(folder, "config", "user.email", "a@example.org")
    (folder / "sub").mkdir()
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "sub/code.py").write_text("1\n")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def worktree(clone: Path, tmp_path: Path) -> Path:
    git(clone, "worktree", "add", "--quiet", "--detach", str(tmp_path / "wt"))
    return tmp_path / "wt"


def refs(clone: Path) -> list[str]:
    names = git(clone, "for-each-ref", "--format=%(refname)", "refs/exps")
    return names.splitlines()


def test_an_experiment_is_a_commit_on_its_baseline(clone: Path, worktree: Path):
    commit = baseline(clone)
    (worktree / "params.yaml").write_text("rate: 2\n")
    (worktree / "ignored").write_text("no")
    (worktree / "new").write_text("yes")
    saved = save(worktree, commit, "exp")
    assert refs(clone) == [f"refs/exps/{commit[:2]}/{commit[2:]}/exp"]
    assert git(clone, "rev-parse", refs(clone)[0]) == saved.commit
    assert git(clone, "rev-parse", f"{saved.commit}^") == commit
    changed = git(clone, "diff", "--name-only", commit, saved.commit)
    assert changed.split() == ["new", "params.yaml"]
    assert baseline(clone) == commit
    assert git(worktree, "rev-parse", "HEAD") == commit


def test_it_is_replaced_only_by_another(clone: Path, worktree: Path):
    commit = baseline(clone)
    first = save(worktree, commit, "exp")
    assert save(worktree, commit, "exp") == type(first)(
        "exp", first.commit, "the same as before"
    )
    (worktree / "params.yaml").write_text("rate: 2\n")
    assert save(worktree, commit, "exp").how == "replaced"
    assert save(worktree, commit, "other").how == "new"


def test_it_needs_no_name_in_git(
    clone: Path, worktree: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for key in ("name", "email"):
        git(clone, "config", f"user.{key}", "")
    saved = save(worktree, baseline(clone), "exp")
    assert git(clone, "log", "-1", "--format=%an %cn", saved.commit) == "offcut offcut"


@pytest.mark.parametrize(
    "name", ["", "a/b", "a b", "-", "--all", "HEAD", "trunk", "a..b", "x.lock", "a~1"]
)
def test_a_name_dvc_would_not_find_is_refused(clone: Path, name: str):
    with pytest.raises(RefusedError, match="choose another --name"):
        check_experiment(clone, baseline(clone), name, PARAMS)


def test_a_name_of_other_parameters_is_refused(clone: Path, worktree: Path):
    commit = baseline(clone)
    save(worktree, commit, "exp")
    check_experiment(clone, commit, "exp", PARAMS)
    with pytest.raises(RefusedError, match="dvc exp remove exp"):
        check_experiment(clone, commit, "exp", "rate: 2\n")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "another baseline")
    check_experiment(clone, baseline(clone), "exp", "rate: 2\n")


def test_a_changed_file_is_refused(clone: Path):
    path = clone / "sub/code.py"
    path.write_text("2\n")
    with pytest.raises(RefusedError, match="found sub/code.py, .*git commit -a, .*git"):
        baseline(clone)
    git(clone, "add", "sub/code.py")
    with pytest.raises(RefusedError, match="found sub/code.py,"):
        baseline(clone)
    path.unlink()
    with pytest.raises(RefusedError, match="found sub/code.py,"):
        baseline(clone)
    git(clone, "reset", "--quiet", "--hard")
    (clone / "untracked").write_text("mine")
    assert baseline(clone)


def test_changed_results_are_left_out(clone: Path):
    results = ["dvc.lock", "params.yaml", "data/report/metrics.json"]
    results += ["data/claims/deis.json", "docs/claims.md", "docs/claims/deis.md"]
    for name in results:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("0\n")
    git(clone, "add", "--force", "--all")
    git(clone, "commit", "--quiet", "-m", "results")
    commit = git(clone, "rev-parse", "HEAD")
    for name in results:
        (clone / name).write_text("1\n")
    assert baseline(clone) == commit
    (clone / "sub/code.py").write_text("2\n")
    with pytest.raises(RefusedError, match="found sub/code.py, expected none"):
        baseline(clone)


def test_many_changed_files_are_counted(clone: Path):
    for number in range(8):
        (clone / f"{number} é").write_text("")
    git(clone, "add", "--all")
    with pytest.raises(RefusedError, match="0 é, 1 é, 2 é, 3 é, 4 é and 3 more"):
        baseline(clone)


def test_a_folder_that_is_no_clone_is_refused(clone: Path, tmp_path: Path):
    with pytest.raises(RefusedError, match="found no repository"):
        baseline(clone / "sub")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(RefusedError, match="found no commit"):
        baseline(tmp_path)


def test_git_acts_on_the_folder_it_is_given_only(
    clone: Path, worktree: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also in a hook of another repository, or where a worktree lost its .git."""
    monkeypatch.setenv("GIT_DIR", str(worktree / ".git"))
    assert git(clone, "rev-parse", "--show-toplevel") == str(clone.resolve())
    assert git_or_none(clone / "sub", "rev-parse", "HEAD") is None
    with pytest.raises(RefusedError, match="git rev-parse: found fatal: not a git"):
        git(clone / "sub", "rev-parse", "HEAD")
