"""Revisions of a real git and DVC repository, laid out or refused."""

import json
import re
import shutil
from pathlib import Path

import pytest

from flows.revisions.layout import sources
from flows.revisions.made_here import experiment
from tasks.artifacts.errors import RefusedError
from tests.compare.conftest import DATASET
from tests.flows.revisions_files import GPTQ4, Repository, repository_in

pytestmark = pytest.mark.slow
# what dvc.lock has of the machine that a stage ran on
THERE = "    - {path: environment.json, hash: md5, md5: 0a0a, size: 1}\n"


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return repository_in(tmp_path_factory.getbasetemp())


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
        why = "not in DVC's cache, and no default remote is set"
        assert repository.compare("main", "worse").missing == tuple(
            f"{name}: 6 outputs, data/datasets/{DATASET}-v0 ...: {why}; "
            "make compare A=main B=worse HERE=1"
            for name in ("main", "worse")
        )
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
        f"git checkout gone && dvc pull -r backup {stage}",
    )
    assert "1 not paired" in found.verdict
    assert "no evaluation of gone to read" in found.page

    repository.dvc("remote", "default", "-q", "--local", "backup")
    found = repository.compare("main", "gone")
    assert found.missing == ()
    assert "1 REGRESSED" in found.verdict

    repository.forget()
    (tmp_path / "store").rename(tmp_path / "away")
    (tmp_path / "store").write_text("no folder")
    (line,) = repository.compare("main", "gone").missing
    assert "and the remote backup does not give it: " in line
    assert line.endswith(f"git checkout gone && dvc pull {stage}")
    (tmp_path / "store").unlink()
    (tmp_path / "away").rename(tmp_path / "store")

    stored = tmp_path / "store/files/md5" / table.parent.name / table.name
    stored.chmod(0o644)
    stored.write_bytes(b"another content")
    (line,) = repository.compare("main", "gone").missing
    assert "another content under its hash in the remote backup" in line
    stored.unlink()
    (line,) = repository.compare("main", "gone").missing
    assert "not in DVC's cache, and not in the remote backup; make" in line
    assert line.endswith("; make compare A=main B=gone HERE=1")


def test_what_was_made_on_another_machine_is_said_in_one_line(repository: Repository):
    """Until it is made here: an experiment on its commit is read in its place."""
    environment = repository.root / "environment.json"
    lock = repository.root / "dvc.lock"
    try:
        repository.run("git", "checkout", "-q", "-b", "elsewhere", "gone")
        text = lock.read_text().replace("    deps:\n", f"    deps:\n{THERE}")
        lock.write_text(re.sub("md5: .", "md5: z", text))  # of other bytes
        repository.run("git", "commit", "-q", "-a", "-m", "Made elsewhere")
        repository.run("git", "checkout", "-q", "--force", "main")
        environment.write_text("{}")
        (line,) = repository.compare("elsewhere", "main").missing
        assert line.startswith(
            f"elsewhere: 6 outputs, data/datasets/{DATASET}-v0 ...: made on another "
            "machine or with other versions, not in DVC's cache, and "
        )  # the remote of another test may be set by now
        assert line.endswith("; make compare A=elsewhere B=main HERE=1")
        commit = repository.run("git", "rev-parse", "elsewhere").strip()
        made = repository.run("git", "rev-parse", "worse").strip()
        ref = f"refs/exps/{commit[:2]}/{commit[2:]}/{experiment(commit)}"
        repository.run("git", "update-ref", ref, made)
        found = repository.compare("main", "elsewhere")
        assert found.missing == ()
        assert "elsewhere is worse than main in 1 of 2 variants" in found.verdict
        (_, source) = sources(["main", "elsewhere"], repository.root)
        told = (source.kind, source.sha, source.subject)
        assert told == ("branch, made here", commit, "Made elsewhere")
    finally:
        environment.unlink(missing_ok=True)
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
