"""Real children: their lines, their time, their end."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows.engine.processes import SETPRIV, Command, Processes
from tests.flows.toy import ROOT


def command(*lines: str, cwd: Path = ROOT) -> Command:
    return Command(lines, "/bin/sh", dict(os.environ), cwd)


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def test_lines_arrive_one_by_one_and_in_the_log():
    log, lines = io.StringIO(), list[str]()
    talk = "echo one; echo two >&2; printf 'half\\rwhole'"
    assert Processes().run(command(talk, "echo three"), log, lines.append) == 0
    assert lines == ["one", "two", "half", "whole", "three"]
    assert log.getvalue() == "one\ntwo\nhalf\nwholethree\n"


def test_a_line_comes_while_the_command_runs(tmp_path: Path):
    """The command waits for a file that is written when its first line is heard."""
    heard = tmp_path / "heard"
    wait = f"echo ready; while [ ! -e {heard} ]; do sleep 0.01; done; echo end"
    code = Processes(60).run(command(wait), io.StringIO(), lambda _: heard.touch())
    assert code == 0


def test_python_does_not_hold_its_lines_back(tmp_path: Path):
    heard = tmp_path / "heard"
    code = (
        "import pathlib, time\nprint('ready')\n"
        f"while not pathlib.Path({str(heard)!r}).exists(): time.sleep(0.01)"
    )
    script = tmp_path / "talk.py"
    script.write_text(code)
    talk = command(f"{sys.executable} {script}")
    assert Processes(60).run(talk, io.StringIO(), lambda _: heard.touch()) == 0


def test_the_first_command_that_fails_ends_it():
    lines = list[str]()
    given = command("echo a", "exit 3", "echo b")
    assert Processes().run(given, io.StringIO(), lines.append) == 3
    assert lines == ["a"]


def test_one_that_hangs_is_ended_with_all_it_started():
    pids = list[str]()
    hang = command("sh -c 'echo $$; sleep 600' & echo $$; wait")
    assert Processes(0.5).run(hang, io.StringIO(), pids.append) is None
    assert len(pids) == 2
    assert all(gone(int(pid)) for pid in pids)


def test_stop_ends_them_and_starts_no_more():
    processes, begun, codes = Processes(), threading.Event(), list[int | None]()

    def work() -> None:
        given = command("echo on; sleep 600")
        codes.append(processes.run(given, io.StringIO(), lambda _: begun.set()))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(240)
    processes.stop()
    thread.join(30)
    assert codes == [-signal.SIGTERM]
    assert processes.run(command("true"), io.StringIO(), print) == -signal.SIGTERM


@pytest.mark.skipif(SETPRIV is None, reason="needs setpriv of util-linux")
def test_a_killed_run_leaves_no_child(tmp_path: Path):
    code = (
        "import io, os\nfrom pathlib import Path\n"
        "from flows.engine.processes import Command, Processes\n"
        "given = Command(('exec sleep 600',), '/bin/sh', dict(os.environ), Path())\n"
        "import threading\n"
        "run = lambda: Processes().run(given, io.StringIO(), print)\n"
        "threading.Thread(target=run).start()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    children = Path(f"/proc/{parent.pid}/task")
    until, found = time.monotonic() + 60, ""
    while time.monotonic() < until and not found:
        for pid in " ".join(p.read_text() for p in children.glob("*/children")).split():
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            found = pid if name == "sleep" else ""  # not one that is being set up
    parent.kill()
    parent.wait()
    assert found
    assert gone(int(found))
