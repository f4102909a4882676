"""A revision that was made elsewhere is run here, as an experiment on its commit."""

import re
from pathlib import Path

import pytest

from flows.experiments.experiment import git
from flows.revisions.made_here import experiment, made_here, make_here
from flows.revisions.mends import again
from offcut.targets import targets
from tasks.artifacts.errors import RefusedError
from tasks.compare import Missing, Source
from tests.e2e.project import Project
from tests.house import ROOT

METRICS = Path("data/report/metrics.json")
LACKS = (Missing("data/onnx/a/b/c", "made on another machine", "make compare"),)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Project(tmp_path_factory.mktemp("here") / "clone").folder


def source(root: Path, name: str, missing: tuple[Missing, ...]) -> Source:
    kind = "workspace" if name == "workspace" else "branch"
    sha = "" if kind == "workspace" else git(root, "rev-parse", "HEAD")
    return Source(name, kind, sha, "", root, missing)


@pytest.mark.slow
def test_what_lacks_is_made_once_in_a_worktree(root: Path):
    commit = git(root, "rev-parse", "HEAD")
    where: list[Path] = []
    said: list[str] = []

    def graph() -> None:
        where.append(Path.cwd())
        assert git(Path.cwd(), "rev-parse", "HEAD") == commit
        assert Path("params.yaml").read_bytes() == (root / "params.yaml").read_bytes()
        METRICS.write_text('{"here": 1}\n')

    assert made_here(root, commit) == ""
    lacking = [source(root, name, LACKS) for name in ("main", "also", "workspace")]
    make_here(root, lacking, graph, said.append)
    (folder,) = where  # once, though two names are of the commit
    assert folder != root
    assert not folder.exists()
    made = made_here(root, commit)
    assert git(root, "rev-parse", f"{made}^") == commit
    assert git(root, "show", f"{made}:{METRICS}") == '{"here": 1}'
    assert git(root, "show", f"{made}:params.yaml") == git(
        root, "show", f"{commit}:params.yaml"
    )
    assert said[0].startswith("making also here, in a worktree of its commit")
    assert said[-1].startswith(f"experiment {experiment(commit)}: new")
    assert git(root, "status", "--porcelain") == ""


def test_what_lacks_nothing_is_left(root: Path):
    def graph() -> None:
        raise AssertionError

    whole = [source(root, "main", ()), source(root, "workspace", LACKS)]
    make_here(root, whole, graph, print)


@pytest.mark.slow
def test_a_failed_stage_leaves_the_worktree(root: Path):
    def graph() -> None:
        raise RefusedError("the run", "stages", "1 that failed", "all", "run it again")

    lacking = [source(root, "main", LACKS)]
    with pytest.raises(RefusedError, match="the same command goes on there"):
        make_here(root, lacking, graph, print)
    assert (root / ".offcut/studies" / experiment(lacking[0].sha)).exists()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["main", "workspace"], "A=main B=workspace"),
        (["main", "a b", "c"], "A=main B='a b' C=c"),
        ([*"abcd"], "REVS='a b c d'"),
    ],
)
def test_the_command_names_every_revision(names: list[str], told: str):
    assert again(names) == f"make compare {told} HERE=1"
    read = targets(ROOT)["compare"].variables
    assert set(re.findall(r"[A-Z]+(?==)", again(names))) <= {v.name for v in read}
