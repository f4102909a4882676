"""A dvc.lock that a kill cut, in the clone and in a study's worktree."""

import os
from pathlib import Path

import pytest

from flows.experiments.plan import plan
from flows.experiments.worktree import perform
from tasks.artifacts.errors import RefusedError
from tests.e2e.project import Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone, which each test leaves as it was."""
    return Project(tmp_path_factory.mktemp("cut") / "clone").folder


def test_a_cut_lock_in_the_worktree_is_put_back(root: Path):
    study = plan(root, "smoke")

    def cut() -> None:
        text = Path("dvc.lock").read_text()
        Path("dvc.lock").write_text(text[: len(text) // 2])
        raise RefusedError("it", "x", "x", "x", "x")

    with pytest.raises(RefusedError):
        perform(study, cut)
    said: list[str] = []

    def graph() -> None:
        assert Path("dvc.lock").read_text() == (root / "dvc.lock").read_text()

    perform(study, graph, tell=said.append)
    assert said == [f"going on in .offcut/studies/{study.key}"]


def test_a_cut_lock_of_the_clone_is_refused_and_not_to_be_committed(root: Path):
    lock = root / "dvc.lock"
    before = lock.read_text()
    lock.write_text(before[: before.rindex("\n  report:") + 1])
    os.utime(lock, (1, 1))
    try:
        with pytest.raises(RefusedError, match="run: git checkout dvc.lock"):
            plan(root, "smoke")
    finally:
        lock.write_text(before)
