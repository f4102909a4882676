import fcntl
import threading
import time
from pathlib import Path

import pytest

from tasks.artifacts import mend
from tasks.artifacts.dvc_lock import LOCK, fault
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.mend import (
    KEPT,
    RUNS,
    TMP,
    keep,
    main,
    mend_held_files,
    mend_run_cache,
    put_back,
)
from tests.artifacts.committed import Committed

OUTS = {"generate": ["g"], "train": ["t", "t2"], "report": ["r"]}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Committed:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["mend"])
    return Committed(tmp_path, OUTS)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.8, 0.9])
def test_a_half_written_lock_is_put_back(
    share: float, project: Committed, capsys: pytest.CaptureFixture[str]
):
    keep()
    other = project.lock("2")
    LOCK.write_text(other[: int(share * len(other))])
    main()
    assert LOCK.read_text() == project.lock("1")
    assert "put back" in capsys.readouterr().out
    assert not KEPT.exists()


def test_a_whole_lock_stays_and_the_copy_goes(
    project: Committed, capsys: pytest.CaptureFixture[str]
):
    keep()
    LOCK.write_text(project.lock("2"))
    main()
    assert LOCK.read_text() == project.lock("2")
    assert capsys.readouterr().out == ""
    assert not KEPT.exists()


def test_a_lock_that_is_gone_is_put_back(project: Committed):
    keep()
    LOCK.unlink()
    main()
    assert LOCK.read_text() == project.lock("1")


def test_a_copy_of_another_commit_is_dropped(project: Committed):
    """As after a switch to another branch, whose file is not the copy's."""
    keep()
    project.git("commit", "-q", "--allow-empty", "-m", "another")
    LOCK.write_text("half")
    with pytest.raises(RefusedError, match="git checkout dvc.lock"):
        main()
    assert LOCK.read_text() == "half"
    assert not KEPT.exists()


@pytest.mark.parametrize("copy", ["<<<<<<< ours", "half", "", "no mark"])
def test_a_copy_that_is_not_whole_is_not_put_back(copy: str, project: Committed):
    keep()
    mark, _, text = KEPT.read_text().partition("\n")
    bad = {"half": text[: len(text) // 2], "no mark": text}.get(copy, f"{copy}\n{text}")
    KEPT.write_text(bad if copy in ("no mark", "") else f"{mark}\n{bad}")
    for present in (project.lock("2"), "half"):
        LOCK.write_text(present)
        put_back()
        assert LOCK.read_text() == present
    assert not KEPT.exists()


def test_only_a_whole_lock_is_kept(project: Committed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["mend", "--keep"])
    LOCK.write_text("half")
    with pytest.raises(RefusedError):
        main()
    assert not KEPT.exists()
    LOCK.write_text(project.lock("2"))
    main()
    assert fault(KEPT.read_text()) == ""


@pytest.mark.parametrize("guarded", [False, True])
def test_a_list_of_held_files_that_is_cut_short_is_removed(guarded: bool):
    held = TMP / "rwlock"
    mend_held_files()  # there is none
    TMP.mkdir(parents=True)
    if guarded:
        (TMP / "rwlock.lock").touch()
    for text in ("", '{"write": {"/a": {"pid": 1'):
        held.write_text(text)
        main()
        assert not held.exists()
    held.write_text("{}")
    mend_held_files()
    assert held.exists()


def test_a_list_that_somebody_writes_is_left_alone():
    held, guard = TMP / "rwlock", TMP / "rwlock.lock"
    TMP.mkdir(parents=True)
    held.write_text("{")
    with guard.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waits = threading.Thread(target=mend_held_files)
        waits.start()
        waits.join(0.2)
        assert waits.is_alive()
        held.write_text("{}")
    waits.join()
    assert held.exists()


def test_half_written_runs_and_empty_folders_leave_the_run_cache(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(mend, "MOMENT", 0.1)
    mend_run_cache()  # there is none
    for name in ("aa/aa1/run", "bb/bb1/.x.tmp", "cc/cc1/.x.tmp", "cc/cc1/run"):
        (RUNS / name).parent.mkdir(parents=True, exist_ok=True)
        (RUNS / name).write_text("cmd: x")
    (RUNS / "dd/dd1").mkdir(parents=True)
    main()
    left = {str(path.relative_to(RUNS)) for path in RUNS.glob("*/*/*")}
    assert left == {"aa/aa1/run", "cc/cc1/run"}
    assert {path.name for path in RUNS.glob("*/*")} == {"aa1", "cc1"}


def test_a_run_that_is_just_being_written_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(mend, "MOMENT", 1.0)
    (RUNS / "aa/aa1").mkdir(parents=True)
    clears = threading.Thread(target=mend_run_cache)
    clears.start()
    time.sleep(0.3)
    (RUNS / "aa/aa1/run").write_text("cmd: x")
    clears.join()
    assert (RUNS / "aa/aa1/run").exists()


def test_a_run_is_refused_where_dvc_would_remove_what_may_be_the_users(
    monkeypatch: pytest.MonkeyPatch,
):
    """Without one nothing is removed, so nothing is refused."""
    Path("dvc.yaml").write_text("stages: {new: {cmd: x, outs: [mine]}}")
    Path("mine").write_text("mine")
    main()
    monkeypatch.setattr("sys.argv", ["mend", "--keep"])
    with pytest.raises(RefusedError, match="mine: output of new"):
        main()
    assert not KEPT.exists()
