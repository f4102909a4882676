"""Who ends when another process ends, and that nothing runs twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warm.toy import LINUX, Toy, is_alive, servers, wait_until

pytestmark = pytest.mark.skipif(not LINUX, reason="elsewhere stages start cold")
ENDED = "the warm server of this checkout was ended, its stages with it\n"


@pytest.fixture
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    made = Toy(tmp_path_factory.mktemp("toy"))
    yield made
    made.end()


def working(toy: Toy) -> tuple[subprocess.Popen[str], list[int]]:
    """A client whose child works, and the ids of child, server and grandchild."""
    client = toy.start("work")
    assert client.stdout
    processes = json.loads(client.stdout.readline())
    assert processes[1] in servers(toy.folder)
    return client, processes


def closed(client: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr of a client, whose pipes nobody has any more."""
    _, err = client.communicate(timeout=60)
    return client.returncode, err


def runs(toy: Toy) -> int:
    return len((toy.folder / "ran").read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_reach_the_child_and_its_children(toy: Toy, number: signal.Signals):
    client, (child, _, below) = working(toy)
    client.send_signal(number)
    code, err = closed(client)
    assert code == -number or (number == signal.SIGINT and code in (1, 130))
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    assert not is_alive(child)
    wait_until(lambda: not is_alive(below))


def test_a_stopped_client_stops_its_child(toy: Toy):
    client, (child, _, _) = working(toy)

    def state(process: int) -> str:
        text = Path(f"/proc/{process}/stat").read_text()
        return text.rpartition(")")[2].split()[0]

    client.send_signal(signal.SIGTSTP)
    wait_until(lambda: state(child) == state(client.pid) == "T")
    client.send_signal(signal.SIGCONT)
    wait_until(lambda: state(child) in "SR" and state(client.pid) in "SR")
    client.kill()
    closed(client)


def test_a_killed_client_takes_its_child_along(toy: Toy):
    client, (child, server, below) = working(toy)
    client.kill()
    assert closed(client) == (-signal.SIGKILL, "")
    wait_until(lambda: not is_alive(child) and not is_alive(below))
    assert is_alive(server)
    assert toy.server() == server
    assert runs(toy) == 1


def test_a_killed_child_ends_its_client_so(toy: Toy):
    client, (child, server, _) = working(toy)
    os.kill(child, signal.SIGKILL)
    client.wait(60)
    assert client.returncode == -signal.SIGKILL
    assert is_alive(server)
    assert runs(toy) == 1


def test_a_killed_server_takes_all_along(toy: Toy):
    client, (child, server, below) = working(toy)
    os.kill(server, signal.SIGKILL)
    assert closed(client) == (-signal.SIGKILL, ENDED)
    assert not is_alive(child)
    wait_until(lambda: not is_alive(below))
    assert runs(toy) == 1
    assert toy.server() != server  # the next starts another


def test_server_and_client_killed_at_once_leave_nothing(toy: Toy):
    client, (child, server, _) = working(toy)
    os.kill(server, signal.SIGSTOP)
    client.kill()
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: not is_alive(child))


def test_a_server_that_dies_before_the_child_began_leaves_a_cold_start(toy: Toy):
    server = toy.server()
    os.kill(server, signal.SIGSTOP)
    client = toy.start("work")
    time.sleep(0.5)  # it waits for its child
    os.kill(server, signal.SIGKILL)
    assert client.stdout
    process, parent, below = json.loads(client.stdout.readline())
    assert (process, parent) == (client.pid, os.getpid())
    os.kill(below, signal.SIGKILL)
    client.terminate()
    assert closed(client)[0] == -signal.SIGTERM
    assert runs(toy) == 1


# starts a command as DVC does, here with a shell that stays between the two
LIKE_DVC = """
import os, subprocess, sys
command = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-m", "tasks.toy", "work"]
subprocess.run(command, env=os.environ | {"DVC_STAGE": "toy"})
"""


def test_a_killed_dvc_takes_its_stage_along(toy: Toy):
    dvc = subprocess.Popen(
        [sys.executable, "-c", LIKE_DVC],
        cwd=toy.folder,
        env=toy.environment(DVC_STAGE=None),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert dvc.stdout
    child, server, below = json.loads(dvc.stdout.readline())
    assert server in servers(toy.folder)
    dvc.kill()
    assert dvc.communicate(timeout=60)[0] == ""  # its end comes with the client's
    wait_until(lambda: not is_alive(child) and not is_alive(below))


def test_it_ends_when_its_checkout_is_gone(toy: Toy):
    server = toy.server()
    toy.folder.rename(toy.folder.with_name("moved"))
    wait_until(lambda: not is_alive(server))


@pytest.mark.slow
def test_it_ends_when_nobody_asks(toy: Toy):
    server = toy.server()
    wait_until(lambda: not is_alive(server))
    assert [path.name for path in toy.sockets.iterdir()] == ["lock"]
