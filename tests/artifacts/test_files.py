import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.artifacts import files
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import (
    canonical,
    check_writable,
    read_json,
    sha256,
    whole_folder,
    write_json,
    write_text,
)

UMASK = os.umask(0)
os.umask(UMASK)


def rights(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_the_users_umask_decides_who_may_read(tmp_path: Path, umask: int):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "a")
        with whole_folder(tmp_path / "out") as folder:
            (folder / "b").write_text("b")
    finally:
        os.umask(before)
    assert rights(tmp_path / "a.txt") == 0o666 & ~umask
    assert rights(tmp_path / "out") == 0o777 & ~umask


def test_a_file_in_the_place_of_a_folder_is_kept(tmp_path: Path):
    (tmp_path / "out").write_text("mine")
    with (
        pytest.raises(RefusedError, match="move away the file"),
        whole_folder(tmp_path / "out"),
    ):
        pass
    assert contents(tmp_path) == {"out": "mine"}


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_hash_of_a_file_is_sha256(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_hash_of_a_folder_sees_names_and_contents(tmp_path: Path):
    def made(name: str, **texts: str) -> str:
        (tmp_path / name).mkdir()
        for file, text in texts.items():
            (tmp_path / name / file).write_text(text)
        return sha256(tmp_path / name)

    same, again = made("1", a="x", b="y"), made("2", b="y", a="x")
    others = [made("3", a="x"), made("4", a="y", b="x"), made("5", a="x", c="y")]
    assert same == again
    assert len({same, *others}) == 4


def test_equal_values_are_equal_bytes():
    assert canonical({"b": 1, "a": [1.5]}) == canonical({"a": [1.5], "b": 1})
    assert canonical({}).endswith("\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"a": float("nan")}]])
def test_json_without_nan_or_infinity(value: Any):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(value)


def test_a_value_json_lacks_leaves_the_old_file(tmp_path: Path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json", "x") == {"old": 1}


def test_text_is_written_as_it_is(tmp_path: Path):
    write_text(tmp_path / "deep/er/a.txt", "ä\r\n\n")
    assert (tmp_path / "deep/er/a.txt").read_bytes() == "ä\r\n\n".encode()
    assert rights(tmp_path / "deep/er/a.txt") == 0o666 & ~UMASK
    assert [p.name for p in (tmp_path / "deep/er").iterdir()] == ["a.txt"]


def test_a_disk_full_at_the_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_text(tmp_path / "a.txt", "old")
    real = os.fdopen

    def full(handle: int, *_: Any, **__: Any) -> Any:
        os.close(handle)
        return real(os.open("/dev/full", os.O_WRONLY), "w")

    monkeypatch.setattr(files.os, "fdopen", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a.txt", "new")
    assert contents(tmp_path) == {"a.txt": "old"}


def test_a_target_that_is_a_folder_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "a.txt", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_missing_file_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(RefusedError, match=r"found nothing.*make it with: dvc repro"):
        read_json(tmp_path / "a.json", "dvc repro")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{}", b"[1,]"])
def test_what_is_not_json_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(RefusedError, match="expected JSON; make it again"):
        read_json(tmp_path / "a.json", "dvc repro")


def test_too_little_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=7))
    with pytest.raises(RefusedError, match="free bytes: found 7, expected at least 8"):
        check_writable(tmp_path, need=8)
    check_writable(tmp_path, need=7)


def test_a_file_in_the_way_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(RefusedError, match="move away the file"):
            check_writable(folder)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_disk_that_cannot_be_written_is_refused():
    with pytest.raises(RefusedError, match="output folder"):
        check_writable(Path("/proc/offcut"))


def test_an_unwritable_folder_names_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", denied)
    with pytest.raises(RefusedError, match=r"Permission denied.*run: chmod u\+w"):
        check_writable(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB; only root may mount one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)]
    if not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_really_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch):
    with (
        pytest.raises(RefusedError, match="free bytes"),
        whole_folder(small_disk / "a"),
    ):
        pytest.fail("the work began")
    monkeypatch.setattr(files, "MIN_FREE_BYTES", 0)
    with whole_folder(small_disk / "out", need=0) as folder:
        (folder / "old").write_text("old")
    with (
        pytest.raises(OSError, match="No space left"),
        whole_folder(small_disk / "out", need=0) as folder,
    ):
        (folder / "big").write_bytes(bytes(1 << 20))
    assert contents(small_disk) == {"out/old": "old"}


def test_a_folder_appears_when_the_block_ends(tmp_path: Path):
    with whole_folder(tmp_path / "a/out") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "a/out").exists()
    assert contents(tmp_path) == {"a/out/x": "1"}
    assert rights(tmp_path / "a/out") == 0o777 & ~UMASK


def test_a_folder_is_replaced_whole(tmp_path: Path):
    for name in ("first", "second"):
        with whole_folder(tmp_path / "out") as folder:
            (folder / name).write_text(name)
    assert contents(tmp_path) == {"out/second": "second"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_folder(tmp_path: Path, error: type[BaseException]):
    with whole_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("old")

    def half() -> None:
        with whole_folder(tmp_path / "out") as folder:
            (folder / "x").write_text("half")
            raise error

    with pytest.raises(error):
        half()
    assert contents(tmp_path) == {"out/x": "old"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.artifacts.files import whole_folder
with whole_folder(Path(sys.argv[1])) as folder:
    (folder / "x").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_the_old_folder_and_the_next_run_clears_up(tmp_path: Path):
    out, neighbour = tmp_path / "out", tmp_path / ".out-int8.kept.tmp"
    neighbour.mkdir()
    with whole_folder(out) as folder:
        (folder / "x").write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert contents(out) == {"x": "old"}
    assert len(list(tmp_path.iterdir())) == 3, (
        "the killed run's folder still lies there"
    )
    with whole_folder(out) as folder:
        (folder / "x").write_text("new")
    assert contents(out) == {"x": "new"}
    assert {p.name for p in tmp_path.iterdir()} == {"out", neighbour.name}


def test_a_kill_between_the_renames_loses_no_new_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with whole_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("old")

    class Killed(BaseException):
        pass

    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target == tmp_path / "out":
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "replace", replace)
        with whole_folder(tmp_path / "out") as folder:
            (folder / "x").write_text("new")
    assert not (tmp_path / "out").exists(), "absent, never half"
    with whole_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("again")
    assert contents(tmp_path) == {"out/x": "again"}
