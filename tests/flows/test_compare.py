"""Revisions of a real git and DVC repository, compared: by call, command and flow."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.revisions.layout import FOLDER, sources
from flows.server.endpoint import bound, call
from flows.server.start import started
from tests.browser import text
from tests.compare.conftest import DATASET, shift
from tests.flows.revisions_files import GPTQ4, WORSE, Repository, repository_in

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return repository_in(tmp_path_factory.getbasetemp())


def test_a_planted_regression_is_found(repository: Repository):
    found = repository.compare("main", "worse")
    assert found.verdict == WORSE
    assert found.missing == ()
    assert "layer0.weight" in found.page


def test_an_unchanged_branch_is_held(repository: Repository):
    found = repository.compare("main", "unchanged")
    assert found.verdict == "unchanged is identical to main, byte for byte: 2 HELD"


def test_an_experiment_can_be_compared(repository: Repository):
    found = repository.compare("main", "tuned", "worse")
    first, second = found.verdict.splitlines()
    assert first.startswith("tuned is better than main in 1 of 2 variants: 1 IMPROVED")
    assert second.startswith("worse is worse")
    assert "| study.batch | 256 | 64 | 256 |" in found.summary
    listed = sources(["main", "tuned"], repository.root)
    assert [source.kind for source in listed] == ["branch", "experiment"]
    assert listed[1].subject.endswith(": The baseline")


def test_the_workspace_can_be_compared(repository: Repository):
    assert "is identical to main" in repository.compare("main", "workspace").verdict
    try:
        file = repository.root / "data/evaluations" / GPTQ4
        shutil.copytree(file, repository.root / "kept")
        repository.dvc("unprotect", f"data/evaluations/{GPTQ4}")
        shift(repository.root, GPTQ4, -20)
        found = repository.compare("main", "workspace")
        assert "workspace is worse than main in 1 of 2" in found.verdict
        shutil.rmtree(file)
        found = repository.compare("main", "workspace")
        stage = f"evaluate@{DATASET}-bc-gptq4"
        assert found.missing == (
            f"workspace: data/evaluations/{GPTQ4}: not in the workspace; "
            f"dvc checkout {stage}",
        )
        repository.dvc("checkout", stage)
        assert "is identical" in repository.compare("main", "workspace").verdict
    finally:
        shutil.rmtree(repository.root / "kept")
        repository.restore()


def test_latency_is_the_workspaces(repository: Repository):
    folder = repository.root / "data/profiles" / GPTQ4
    assert (folder / "latency.json").exists()
    assert "31.0 / 40.3" in text(repository.compare("main", "workspace").page)
    assert "31.0 / 40.3" not in text(repository.compare("main", "worse").page)


def test_a_lock_that_is_older_is_told(repository: Repository):
    try:
        repository.run("git", "checkout", "-q", "-b", "lazy", "main")
        (repository.root / "tasks/room/more.py").write_text("two = 3\n")
        (repository.root / "tasks/train/bc.py").write_text("one = 2\n")
        repository.run("git", "commit", "-q", "-a", "-m", "Change code, run nothing")
        found = repository.compare("main", "lazy")
        assert "lazy: dvc.lock is older than the revision." in found.page
        stale = "data/code/train/bc.json, tasks/room"
        assert f"not made with {stale} as there" in found.warnings[0]
        assert "main: dvc.lock is older" not in found.page
        assert (
            "workspace: dvc.lock is older"
            in repository.compare("main", "workspace").page
        )
    finally:
        repository.restore()


def test_the_command_prints_the_verdict_and_the_page(repository: Repository):
    command = (sys.executable, "-m", "flows.compare", "--local")
    said = repository.run(*command, "main", "worse")
    page = repository.root / FOLDER / "index.html"
    assert said.splitlines() == [
        WORSE,
        f"comparison: {page}",
    ]
    assert page.exists()
    assert (page.parent / "summary.md").read_text().startswith("# worse against main")
    assert repository.run("git", "status", "--porcelain") == ""
    said = repository.run(*command, "main", "wrose", code=1)
    assert said.startswith("refused: revisions: wrose: found no such revision")


def test_local_needs_no_prefect(repository: Repository):
    script = "import runpy, sys; sys.modules['prefect'] = None; "
    script += "sys.argv = ['compare', '--local', 'main', 'unchanged', '--out', 'o']; "
    script += "runpy.run_module('flows.compare', run_name='__main__')"
    said = repository.run(sys.executable, "-c", script)
    assert "identical to main" in said
    shutil.rmtree(repository.root / "o")


@pytest.mark.prefect
def test_with_a_server_its_summary_is_an_artifact(
    repository: Repository, warm: Callable[[Path], None]
):
    warm(repository.root)
    with started(repository.root, bound(0), services=False) as url:
        repository.env["PREFECT_API_URL"] = url
        try:
            command = (sys.executable, "-m", "flows.compare")
            said = repository.run(*command, "main", "worse")
            refused = repository.run(*command, "main", "wrose", code=1)
        finally:
            del repository.env["PREFECT_API_URL"]
        (artifact,) = call(url, "artifacts/filter", {})
        runs = call(url, "flow_runs/filter", {})
    assert WORSE in said.splitlines()
    assert f"comparison: {repository.root / FOLDER / 'index.html'}" in said
    assert (artifact["key"], artifact["type"]) == ("comparison", "markdown")
    link = "[Open the page](/files/.offcut/compare/index.html)"
    assert artifact["data"].startswith(link)
    assert "\n\n# worse against main" in artifact["data"]
    assert artifact["description"] == WORSE
    assert "did you mean worse?" in refused
    assert [run["state"]["type"] for run in runs] == ["COMPLETED"]
    assert [run["name"] for run in runs] == ["compare main worse"]
