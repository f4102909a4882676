import fcntl
import threading
import time
from pathlib import Path

import pytest
import yaml

from tasks.artifacts import lockfile
from tasks.artifacts.lockfile import (
    KEPT,
    LOCK,
    RUNS,
    TMP,
    is_whole,
    main,
    mend_held_files,
    mend_run_cache,
)

BEFORE = yaml.safe_dump(
    {
        "schema": "2.0",
        "stages": {
            name: {
                "cmd": f"python -m {name}",
                "deps": [{"path": "a", "md5": "0" * 32, "size": 1}],
                "outs": [{"path": name, "md5": "1" * 32, "size": 2}],
            }
            for name in ("generate", "train", "report")
        },
    },
    sort_keys=False,
)
OTHER = BEFORE.replace("1" * 32, "2" * 32)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    KEPT.parent.mkdir()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.8, 0.9])
def test_a_half_written_lock_is_put_back(
    share: float, capsys: pytest.CaptureFixture[str]
):
    KEPT.write_text(BEFORE)
    LOCK.write_text(OTHER[: int(share * len(OTHER))])
    main()
    assert LOCK.read_text() == BEFORE
    assert "put back" in capsys.readouterr().out


def test_a_lock_cut_at_any_line_is_not_whole():
    """Until the outputs of the last stage, behind which nothing comes."""
    lines = BEFORE.splitlines(keepends=True)
    outs = max(i for i, line in enumerate(lines) if "outs:" in line)
    cuts = ["".join(lines[:n]) for n in range(outs)]
    assert [is_whole(cut, BEFORE) for cut in cuts] == [False] * outs
    assert is_whole(BEFORE, BEFORE)


def test_a_whole_lock_stays(capsys: pytest.CaptureFixture[str]):
    KEPT.write_text(BEFORE)
    LOCK.write_text(OTHER)
    main()
    assert LOCK.read_text() == OTHER
    assert capsys.readouterr().out == ""


def test_without_a_copy_nothing_happens():
    LOCK.write_text("half")
    main()
    assert LOCK.read_text() == "half"


def test_a_lock_that_is_gone_is_put_back():
    KEPT.write_text(BEFORE)
    main()
    assert LOCK.read_text() == BEFORE


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
    monkeypatch.setattr(lockfile, "MOMENT", 0.1)
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
    monkeypatch.setattr(lockfile, "MOMENT", 1.0)
    (RUNS / "aa/aa1").mkdir(parents=True)
    clears = threading.Thread(target=mend_run_cache)
    clears.start()
    time.sleep(0.3)
    (RUNS / "aa/aa1/run").write_text("cmd: x")
    clears.join()
    assert (RUNS / "aa/aa1/run").exists()
