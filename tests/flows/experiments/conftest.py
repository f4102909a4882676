"""A clone whose studies end as experiments, left by each test as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.experiments.experiment import git
from tests.e2e.project import Project
from tests.flows.experiments.clone import seen


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("worktree") / "clone")


@pytest.fixture
def root(project: Project) -> Iterator[Path]:
    """The clone, which each test leaves as it was."""
    before = seen(project.folder)
    yield project.folder
    assert seen(project.folder) == before
    for line in git(project.folder, "for-each-ref", "refs/exps").splitlines():
        git(project.folder, "update-ref", "-d", line.split()[-1])
