"""A dvc.lock that is not whole is told from one that is."""

import os
import random
from pathlib import Path

import pytest

from tasks.artifacts.dvc_lock import LOCK, check_lock, fault, recorded
from tasks.artifacts.errors import RefusedError
from tests.artifacts.committed import Committed

OUTS = {"code": ["c"], "train": ["t", "t2"], "report": ["r"], "claim": ["x", "y"]}
CUTS = 40


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Committed:
    monkeypatch.chdir(tmp_path)
    return Committed(tmp_path, OUTS)


def refused() -> str:
    """The refusal of a dvc.lock that was not written just now; it stays as it is."""
    if LOCK.exists():
        os.utime(LOCK, (1, 1))
        before = LOCK.read_bytes()
    with pytest.raises(RefusedError) as error:
        check_lock()
    assert not LOCK.exists() or LOCK.read_bytes() == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_lock_cut_at_any_line_is_not_whole(project: Committed):
    lines = project.lock("2").splitlines(keepends=True)
    assert not any(fault("".join(lines[:n])) == "" for n in range(len(lines)))
    assert fault("".join(lines)) == ""


def test_nor_is_one_cut_at_any_character(project: Committed):
    text = project.lock("2")
    cuts = random.Random(0).sample(range(len(text)), CUTS)  # noqa: S311
    assert [text[:n] for n in cuts if not fault(text[:n])] == []


def test_lost_stages_are_named_with_the_mend(project: Committed):
    LOCK.write_text(project.lock("2", "code"))
    said = refused()
    assert "no entry of train, report, claim, expected" in said
    assert said.endswith("run: git checkout dvc.lock")
    project.git("add", "dvc.lock")
    assert refused().endswith("run: git checkout HEAD -- dvc.lock")


def test_a_lock_that_is_gone_is_refused_where_the_commit_has_one(project: Committed):
    LOCK.unlink()
    assert "found no file" in refused()
    project.git("rm", "-q", "--cached", "dvc.lock")
    project.git("commit", "-q", "-m", "without")
    check_lock()


@pytest.mark.parametrize(
    "text", ["", "half", "stages: []\n", "- a\n", "schema: '2.0'\n", "a: [\n", "\0"]
)
def test_what_is_no_dvc_lock_is_refused(text: str):
    LOCK.write_text(text)
    assert "no YAML with stages" in refused()


def test_what_dvc_yaml_does_not_name_may_go(project: Committed):
    path = Path("dvc.yaml")
    path.write_text(path.read_text().replace("train:", "fit:"))
    LOCK.write_text(project.lock("2", "code", "report", "claim"))
    check_lock()


def test_members_that_params_drop_may_go(project: Committed):
    matrix = "{matrix: {a: ['${some}'], b: '${list}'}, cmd: x, outs: ['${item.b}']}"
    Path("dvc.yaml").write_text(f"stages: {{train: {matrix}}}\n")
    project.outs = {"train@1-x": ["x"], "train@1-y": ["y"]}
    Path("params.yaml").write_text("some: 1\nlist: [x, y]\n")
    LOCK.write_text(project.lock("1"))
    project.git("commit", "-q", "-a", "-m", "matrix")
    LOCK.write_text(project.lock("1", "train@1-x"))
    assert "no entry of train@1-y" in refused()
    Path("params.yaml").write_text("some: 1\nlist: [x]\n")
    check_lock()


def test_new_stages_and_other_hashes_are_fine(project: Committed):
    project.outs = {"new": ["n"], **OUTS, "newer": ["m"]}
    LOCK.write_text(project.lock("3"))
    check_lock()
    assert recorded()["newer"]["m"]["nfiles"] == 1


def test_while_a_merge_waits_either_side_is_fine(project: Committed):
    project.git("switch", "-q", "-c", "other")
    LOCK.write_text(project.lock("2", "code"))
    project.git("commit", "-q", "-a", "-m", "other")
    project.git("switch", "-q", "main")
    LOCK.write_text(project.lock("3"))
    project.git("commit", "-q", "-a", "-m", "ours")
    project.git("merge", "other", code=1)
    assert "found conflict markers" in (said := refused())
    assert said.endswith("run: git checkout --ours dvc.lock")
    project.git("checkout", "--theirs", "dvc.lock")
    check_lock()
    project.git("checkout", "--ours", "dvc.lock")
    check_lock()


def test_without_git_only_the_form_counts(project: Committed):
    LOCK.write_text(project.lock("2", "code"))
    Path(".git").rename("no")
    check_lock()
    LOCK.write_text(project.lock("2").rpartition("      nfiles")[0])
    assert "unfinished entry of claim" in (said := refused())
    assert said.endswith("run: rm dvc.lock")
