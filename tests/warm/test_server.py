"""Who has a server, who may use it, and what it holds."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.warm.inherited import packed, unpacked
from tests.warm.toy import LINUX, ROOT, Toy, is_alive, servers

pytestmark = pytest.mark.skipif(not LINUX, reason="elsewhere stages start cold")


@pytest.fixture
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toy]:
    made = Toy(tmp_path_factory.mktemp("toy"))
    yield made
    made.end()


def test_all_stages_share_one(toy: Toy):
    started = [toy.start("who") for _ in range(4)]
    said = [json.loads(process.communicate()[0]) for process in started]
    assert {parent for _, parent in said} == set(servers(toy.folder))
    assert len(servers(toy.folder)) == 1
    assert len({child for child, _ in said}) == 4
    # another door, with what is its own in the environment, and by hand
    door = {"PATH": "/bin", "DVC_STAGE": "other", "PYTHONUNBUFFERED": "1", "X": "y"}
    assert toy.said("who", **door)[1] == toy.server()
    assert toy.said("who", DVC_STAGE=None)[1] == toy.server()


def test_by_hand_none_is_started(toy: Toy):
    assert toy.said("who", DVC_STAGE=None)[1] == os.getpid()
    assert not toy.sockets.exists()


def test_it_can_be_switched_off(toy: Toy):
    assert toy.said("who", OFFCUT_WARM="0")[1] == os.getpid()
    assert not toy.sockets.exists()
    server = toy.server()
    assert toy.said("who", OFFCUT_WARM="0")[1] == os.getpid() != server


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "LANG"])
def test_another_environment_has_another(toy: Toy, name: str):
    assert toy.server() != toy.said("who", **{name: "3"})[1] != os.getpid()


def test_another_checkout_has_another(toy: Toy, tmp_path: Path):
    other = Toy(tmp_path)
    try:
        assert toy.server() != other.server()
    finally:
        other.end()


def test_edited_code_needs_no_other(toy: Toy):
    server = toy.server()
    path = toy.folder / "tasks/toy.py"
    path.write_text("print('[\"edited\", ' + str(__import__('os').getppid()) + ']')\n")
    assert toy.said() == ["edited", server]
    package = toy.folder / "tasks/__init__.py"
    package.write_text(package.read_text() + "EDITED = 1\n")
    path.write_text("import os, tasks\nprint([tasks.EDITED, os.getppid()])\n")
    assert toy.said() == [1, server]


def test_an_edited_server_is_another(toy: Toy):
    server = toy.server()
    path = toy.folder / "tasks/warm/server.py"
    path.write_text(path.read_text() + "\n# edited\n")
    assert toy.server() not in (server, os.getpid())


def test_a_package_installed_means_another(toy: Toy, tmp_path: Path):
    packages = tmp_path / "site-packages"
    packages.mkdir()
    paths = f"{toy.folder}{os.pathsep}{packages}"
    server = toy.said("who", PYTHONPATH=paths)[1]
    assert toy.said("who", PYTHONPATH=paths)[1] == server
    (packages / "new-1.0.dist-info").mkdir()
    assert toy.said("who", PYTHONPATH=paths)[1] not in (server, os.getpid())


def test_only_its_owner_reaches_it(toy: Toy):
    toy.server()
    assert toy.sockets.stat().st_mode & 0o777 == 0o700
    for path in toy.sockets.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path.name


def test_a_folder_open_to_others_is_not_used(toy: Toy):
    toy.server()
    toy.sockets.chmod(0o755)
    assert toy.said("who")[1] == os.getpid()
    toy.sockets.chmod(0o700)
    kept = toy.sockets.with_name("kept")
    toy.sockets.rename(kept)
    toy.sockets.symlink_to(kept)
    assert toy.said("who")[1] == os.getpid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_is_not_served(toy: Toy):
    toy.server()
    path = next(toy.sockets.glob("*.sock"))
    ask = (
        "import os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); os.chdir(sys.argv[1])\n"
        "os.setuid(65534)\n"
        "s.connect(sys.argv[2]); print(s.recv(1))\n"
    )
    for folder in [toy.sockets, *toy.sockets.parents[:4]]:
        folder.chmod(0o777)
    path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-c", ask, str(toy.sockets), path.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "b''\n", done.stderr


@pytest.mark.parametrize(
    "module", ["toy", "tasks", "tasks.", "tasks.a;b", "antigravity"]
)
def test_only_commands_of_tasks_are_run(toy: Toy, module: str):
    server = toy.server()
    folder = os.open(toy.sockets, os.O_RDONLY)
    name = next(toy.sockets.glob("*.sock")).name
    # what a child of this process and environment would send
    ask = (
        "import os, socket, sys\n"
        "from tasks.warm.client import _ask, inherited\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv.pop(1))\n"
        "sys.orig_argv[:] = ['python', '-m', sys.argv[1]]\n"
        "mine, theirs = socket.socketpair()\n"
        "_ask(s, theirs, inherited()); theirs.close(); print(len(mine.recv(4)))\n"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", ask, f"/proc/self/fd/{folder}/{name}", asked],
            cwd=toy.folder,
            env=toy.environment(),
            pass_fds=[folder],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for asked in ("tasks.toy", module)
    ]
    os.close(folder)
    assert answers == ["4\n", "0\n"]
    assert is_alive(server)


def test_nonsense_does_no_harm(toy: Toy):
    server = toy.server()
    folder = os.open(toy.sockets, os.O_RDONLY)
    name = next(toy.sockets.glob("*.sock")).name
    for sent in (b"", b"x", b"?" * 10_000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"/proc/self/fd/{folder}/{name}")
            connection.send(sent)
    os.close(folder)
    assert toy.server() == server


def test_a_server_that_cannot_serve_is_not_started_again(toy: Toy):
    thread = "import threading, time\n"
    thread += "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    (toy.folder / "starts_a_thread.py").write_text(thread)
    toy.import_only("starts_a_thread")
    assert toy.said("who")[1] == os.getpid()
    (refused,) = toy.sockets.glob("*.refused")
    assert refused.read_text() == "the libraries started 1 threads\n"
    assert toy.said("who")[1] == os.getpid()
    assert servers(toy.folder) == []


def test_a_path_that_means_another_folder_to_a_server_is_no_harm(toy: Toy):
    below = toy.folder / "below"
    below.mkdir()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "tasks.toy", "who"],
            cwd=below,
            env=toy.environment(PYTHONPATH=".."),
            check=True,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout)[1] == os.getpid()
    (refused,) = toy.sockets.glob("*.refused")
    assert refused.read_text().startswith("it inherited something else")


def test_a_dead_server_s_socket_is_cleared(toy: Toy):
    os.kill(toy.server(), signal.SIGKILL)
    left = [path.name for path in toy.sockets.glob("*.sock")]
    assert left
    assert toy.said("who", LANG="3")[1] != os.getpid()
    assert left[0] not in [path.name for path in toy.sockets.iterdir()]


def test_a_request_is_read_as_written():
    lists = [["", "a\nb"], [], ["ü", "\udcff", "3"]]
    assert unpacked(packed(*lists)) == lists


# What importing the libraries does to a process: as good as nothing, as a stage that
# needs few of them must not see the difference.
IMPORT = """
import json, logging, os, signal, sys, warnings
import tasks
from tasks.warm import server

def state():
    os.umask(mask := os.umask(0))
    handlers = [str(signal.getsignal(n)) for n in range(1, 32)]
    here = [os.getcwd(), mask, sys.path, sys.getrecursionlimit(), handlers]
    small = 2.2250738585072014e-308
    return [*here, logging.root.handlers, logging.root.level, small / 4 > 0]

before, variables = state(), dict(os.environ)
why = server.load()
same = state() == before
new = {k: v for k, v in os.environ.items() if variables.get(k) != v}
own = sorted(n for n in sys.modules if n.split(".")[0] in ("tasks", "flows"))
unknown = [n for n in server.LIBRARIES if n not in sys.modules]
print(json.dumps([why, same, new, own, unknown]))
"""


def test_the_libraries_change_nothing_of_a_process():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    why, same, new, own, unknown = json.loads(done.stdout)
    assert (why, same, unknown) == ("", True, [])
    assert new.keys() <= {"PYGAME_HIDE_SUPPORT_PROMPT"}
    assert own == [
        "tasks",
        *(f"tasks.warm{n}" for n in ("", ".child", ".inherited", ".server")),
    ]
