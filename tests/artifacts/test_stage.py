import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.artifacts.begun import was_begun
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.stage import run_stage


def raising(error: BaseException):
    def main() -> None:
        raise error

    return main


def test_success_is_zero_and_silent(capsys: pytest.CaptureFixture[str]):
    assert run_stage(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


def test_refused_input_is_one_line_and_exit_code_one(
    capsys: pytest.CaptureFixture[str],
):
    error = RefusedError("data.hdf5", "reward", "NaN", "numbers", "fix\nthe row")
    assert run_stage(raising(error)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "refused: data.hdf5: reward: found NaN, expected numbers; fix the row\n"
    )


def test_without_a_reader_it_ends_without_a_word():
    program = (
        "import sys; from tasks.artifacts.stage import run_stage\n"
        "sys.exit(run_stage(lambda: [print('row') for _ in range(100_000)]))"
    )
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


def full_disk() -> None:
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        stream.write("x")


def test_a_disk_that_fills_up_is_refused(capsys: pytest.CaptureFixture[str]):
    assert run_stage(full_disk) == 1
    err = capsys.readouterr().err
    assert err.startswith("refused: ")
    assert "No space left on device" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, "Read-only file system", "out.json"),
        PermissionError(errno.EACCES, "Permission denied", "out.json"),
        OSError("Can't write data (file write failed: No space left on device)"),
    ],
)
def test_what_a_disk_refuses_is_one_line(
    error: OSError, capsys: pytest.CaptureFixture[str]
):
    assert run_stage(raising(error)) == 1
    assert (error.strerror or str(error)) in capsys.readouterr().err


# starts a command as DVC does; the command says when it works
LIKE_DVC = """
import os, subprocess, sys
command = "import os, time; from tasks.artifacts.stage import run_stage; " \\
    "run_stage(lambda: (print(os.getpid(), flush=True), time.sleep(60)))"
started = [sys.executable, "-c", command]
shell = ["sh", "-c", '"$@"; true', "sh", *started]
given = os.environ | {"DVC_STAGE": "train"}
child = subprocess.Popen(shell if "shell" in sys.argv else started, env=given)
if "late" in sys.argv:  # gone before the command looks who started it
    os._exit(0)
child.communicate()
"""


def like_dvc(*how: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", LIKE_DVC, *how]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux' /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("between", ["nothing", "shell"])
def test_a_stage_ends_with_the_dvc_that_started_it(
    number: signal.Signals, between: str
):
    """The shell stays between the two as dash does, and does not end with DVC."""
    dvc = like_dvc(between)
    assert dvc.stdout
    assert int(dvc.stdout.readline())
    dvc.send_signal(number)
    dvc.wait()
    began = time.monotonic()
    assert dvc.stdout.read() == ""  # its end comes with the end of the stage
    assert time.monotonic() - began < 30
    dvc.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux' /proc")
@pytest.mark.parametrize("between", ["nothing", "shell"])
def test_a_stage_whose_dvc_is_gone_does_not_begin(between: str):
    dvc = like_dvc(between, "late")
    assert dvc.communicate(timeout=60)[0] == ""


def test_elsewhere_than_on_linux_the_parent_is_looked_at():
    parent = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(__import__("os").getpid())])
input()
"""
    child = """
import sys, time
sys.platform = "darwin"
from tasks.artifacts.processes import die_with
die_with(int(sys.argv[1]))
print("works", flush=True)
time.sleep(60)
"""
    above = subprocess.Popen(
        [sys.executable, "-c", parent, child],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert above.stdout
    assert above.stdout.readline() == "works\n"
    above.kill()
    began = time.monotonic()
    assert above.communicate()[0] == ""
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "policy.json"),
        OSError("file signature not found"),
        ZeroDivisionError(),
        SystemExit(2),
    ],
)
def test_a_fault_of_the_code_keeps_its_traceback(error: BaseException):
    with pytest.raises(type(error)):
        run_stage(raising(error))


def test_ctrl_c_is_one_word(capsys: pytest.CaptureFixture[str]):
    assert run_stage(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


def test_a_stage_that_dvc_starts_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    run_stage(lambda: None)
    assert not any(tmp_path.iterdir())
    monkeypatch.setenv("DVC_STAGE", "sub/dvc.yaml:train@a-b")
    run_stage(lambda: None)
    assert was_begun("sub/dvc.yaml:train@a-b")
    assert not was_begun("train@a-b")
