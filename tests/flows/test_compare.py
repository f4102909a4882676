"""Revisions of a real git and DVC repository, laid out and compared."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.revisions import FOLDER, sources
from flows.server import bound, call, started
from tasks.artifacts.errors import RefusedError
from tasks.compare.page import Outcome, compare
from tests.browser import text
from tests.compare.conftest import DATASET, network, put_network, shift, write_revision

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("compare")]

ROOT = Path(__file__).parents[2]
GPTQ4 = f"{DATASET}/bc/gptq4"
WORSE = (
    "worse is worse than main in 1 of 2 artifacts: 1 REGRESSED, 1 HELD (1 identical)"
)
# the outputs of the project's graph, made by hand
GRAPH = """
stages:
  generate:
    foreach: ${study.datasets}
    do:
      cmd: "true"
      outs: ["data/datasets/${item}-v0"]
"""
for stage, kind in (
    ("train", "policies"),
    ("export", "onnx"),
    ("evaluate", "evaluations"),
):
    leaf = "${item.dataset}/${item.learner}"
    axes = "{dataset: '${study.datasets}', learner: '${study.learners}'"
    axes += "}" if stage == "train" else ", variant: '${study.variants}'}"
    leaf += "" if stage == "train" else "/${item.variant}"
    GRAPH += f"""
  {stage}:
    matrix: {axes}
    cmd: "true"
    deps: [tasks/code.py, tasks/room]
    params: [study]
    outs: ["data/{kind}/{leaf}"]
"""


class Repository:
    """A small project whose revisions are edited by hand.

    | revision | what is in it |
    |---|---|
    | main, v1 | bc with float32 and gptq4 |
    | unchanged | another README |
    | worse | gptq4 lost 12 points, one of its tensors moved |
    | tuned | an experiment: gptq4 gained 10 points, another parameter |
    | gone | as worse, its evaluation is in no cache |
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = os.environ | {"DVC_NO_ANALYTICS": "1", "NO_COLOR": "1"}
        self.env["PYTHONPATH"] = str(ROOT)
        write_revision(root)
        (root / "tasks/room").mkdir(parents=True)
        (root / "tasks/code.py").write_text("one = 1\n")
        (root / "tasks/room/more.py").write_text("two = 2\n")
        (root / "dvc.yaml").write_text(GRAPH)
        (root / ".gitignore").write_text("/data\n/.offcut\n/environment.json\n")
        self.run("git", "init", "-q", "-b", "main")
        self.run("git", "config", "user.name", "somebody")
        self.run("git", "config", "user.email", "somebody@example.org")
        self.dvc("init", "-q")
        self.dvc("config", "core.autostage", "false")
        self.commit("The baseline")
        self.run("git", "tag", "-a", "-m", "The first", "v1")
        self.run("git", "checkout", "-q", "-b", "unchanged")
        (root / "README.md").write_text("Nothing else\n")
        self.commit("Say something")
        self.branch("worse", -12)
        self.branch("gone", -30)
        self.run("git", "checkout", "-q", "main")
        self.dvc("checkout", "-q", "--force")
        self.edit_params("batch: 256", "batch: 64")
        shift(root, GPTQ4, 10)
        self.dvc("commit", "-q", "--force")
        self.dvc("exp", "save", "-q", "-n", "tuned")
        self.restore()

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.env,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def commit(self, message: str) -> None:
        self.dvc("commit", "-q", "--force")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def branch(self, name: str, points: float) -> None:
        self.run("git", "checkout", "-q", "main")
        self.run("git", "checkout", "-q", "-b", name)
        self.dvc("checkout", "-q", "--force")
        shift(self.root, GPTQ4, points)
        put_network(self.root, GPTQ4, 0, network(4.0))
        self.commit(f"Lose {-points} points")

    def edit_params(self, old: str, new: str) -> None:
        path = self.root / "params.yaml"
        path.write_text(path.read_text().replace(old, new))

    def restore(self) -> None:
        """Back to main; outputs come from the cache."""
        self.run("git", "checkout", "-q", "--force", "main")
        self.dvc("checkout", "-q", "--force")

    def forget(self) -> None:
        """Lay out everything anew."""
        shutil.rmtree(self.root / FOLDER, ignore_errors=True)

    def locked(self, revision: str, path: str) -> str:
        """The hash of an output in a revision's dvc.lock."""
        lock = yaml.safe_load(self.run("git", "show", f"{revision}:dvc.lock"))
        outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
        return next(out["md5"] for out in outs if out["path"] == path)

    def cached(self, md5: str) -> Path:
        return self.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]

    def compare(self, *names: str) -> Outcome:
        return compare(sources(names, self.root))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("compare"))


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
    assert first.startswith("tuned is better than main in 1 of 2 artifacts: 1 IMPROVED")
    assert second.startswith("worse is worse")
    assert "| study.batch | 256 | 64 | 256 |" in found.summary
    listed = sources(["main", "tuned"], repository.root)
    assert [source.kind for source in listed] == ["branch", "experiment"]
    assert listed[1].subject.endswith(": The baseline")


def test_tags_hashes_and_offsets_are_revisions(repository: Repository):
    sha = repository.run("git", "rev-parse", "worse").strip()
    listed = sources(["v1", sha, "worse~1"], repository.root)
    assert [source.kind for source in listed] == ["tag", "commit", "commit"]
    assert [source.subject for source in listed] == [
        "The baseline",
        "Lose 12 points",
        "The baseline",
    ]
    assert listed[0].folder == listed[2].folder != listed[1].folder


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


def test_only_what_is_needed_is_laid_out(repository: Repository):
    repository.forget()
    (source, _) = sources(["main", "worse"], repository.root)
    files = {p.relative_to(source.folder).as_posix() for p in source.folder.rglob("*")}
    assert f"data/datasets/{DATASET}-v0/card.json" in files
    assert f"data/evaluations/{GPTQ4}/episodes.parquet" in files
    assert not any("profiles" in name for name in files)
    assert "environment.json" not in files  # the lock does not say it was made with it


def test_what_was_laid_out_is_used_again(repository: Repository):
    repository.compare("main", "worse")
    cache = repository.root / ".dvc/cache"
    cache.rename(cache.with_name("moved"))
    try:
        found = repository.compare("main", "worse")
        assert found.missing == ()
        assert "REGRESSED" in found.verdict
        repository.forget()
        missing = repository.compare("main", "worse").missing
        assert len(missing) == 12
        assert all("not in DVC's cache" in line for line in missing)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        cache.with_name("moved").rename(cache)


def test_a_missing_artifact_is_named_and_pulled_where_it_can_be(
    repository: Repository, tmp_path: Path
):
    out = f"data/evaluations/{GPTQ4}"
    stage = f"evaluate@{DATASET}-bc-gptq4"
    listing = repository.cached(repository.locked("gone", out))
    (table,) = [
        repository.cached(file["md5"])
        for file in json.loads(listing.read_text())
        if file["relpath"] == "episodes.parquet"
    ]
    repository.dvc("remote", "add", "-dq", "--local", "backup", str(tmp_path / "store"))
    repository.dvc("push", "-q", "--all-branches")
    repository.dvc("remote", "default", "-q", "--local", "--unset")
    table.unlink()
    repository.forget()

    found = repository.compare("main", "gone")
    assert found.missing == (
        f"gone: {out}: not in DVC's cache, and no default remote is set; "
        f"git checkout gone && dvc repro {stage}",
    )
    assert "1 not paired" in found.verdict
    assert "no evaluation of gone to read" in found.page

    repository.dvc("remote", "default", "-q", "--local", "backup")
    found = repository.compare("main", "gone")
    assert found.missing == ()
    assert "1 REGRESSED" in found.verdict

    repository.forget()
    stored = tmp_path / "store/files/md5" / table.parent.name / table.name
    stored.chmod(0o644)
    stored.write_bytes(b"another content")
    (line,) = repository.compare("main", "gone").missing
    assert "the remote has another content under its hash" in line
    stored.unlink()
    (line,) = repository.compare("main", "gone").missing
    assert "not in DVC's cache, and not in the remote backup" in line
    assert line.endswith(f"git checkout gone && dvc repro {stage}")


def test_a_lock_that_is_older_is_told(repository: Repository):
    try:
        repository.run("git", "checkout", "-q", "-b", "lazy", "main")
        (repository.root / "tasks/room/more.py").write_text("two = 3\n")
        repository.run("git", "commit", "-q", "-a", "-m", "Change code, run nothing")
        found = repository.compare("main", "lazy")
        assert "lazy: dvc.lock is older than the revision." in found.page
        assert "made with tasks/room as it stands there" in found.page
        assert "main: dvc.lock is older" not in found.page
        assert (
            "workspace: dvc.lock is older"
            in repository.compare("main", "workspace").page
        )
    finally:
        repository.restore()


@pytest.mark.parametrize(
    ("name", "near"),
    [("wrose", "worse"), ("tunde", "tuned"), ("workspac", "workspace")],
)
def test_an_unknown_revision_names_the_nearest(
    repository: Repository, name: str, near: str
):
    with pytest.raises(RefusedError) as refused:
        sources(["main", name], repository.root)
    assert str(refused.value) == (
        f"revisions: {name}: found no such revision, expected a commit, branch, tag, "
        f"experiment or workspace; did you mean {near}?"
    )


@pytest.mark.parametrize("names", [[], ["main"]])
def test_fewer_than_two_are_refused(repository: Repository, names: list[str]):
    with pytest.raises(RefusedError, match="at least two, the baseline first"):
        sources(names, repository.root)


@pytest.mark.parametrize("name", ["", " ", "-x", "--help", "main:params.yaml"])
def test_odd_names_are_refused(repository: Repository, name: str):
    with pytest.raises(RefusedError, match="no such revision"):
        sources(["main", name], repository.root)


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path):
    with pytest.raises(RefusedError, match="no DVC repository"):
        sources(["a", "b"], tmp_path)


def test_a_revision_without_a_study_is_refused(repository: Repository):
    try:
        repository.run("git", "checkout", "-q", "-b", "bare", "main")
        repository.run("git", "rm", "-q", "params.yaml")
        repository.run("git", "commit", "-q", "-m", "No study")
        with pytest.raises(RefusedError, match=r"revision bare: params\.yaml"):
            sources(["main", "bare"], repository.root)
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
def test_with_a_server_its_summary_is_an_artifact(repository: Repository):
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
    assert artifact["data"].startswith("# worse against main")
    assert artifact["description"] == WORSE
    assert "did you mean worse?" in refused
    assert [run["state"]["type"] for run in runs] == ["COMPLETED"]
