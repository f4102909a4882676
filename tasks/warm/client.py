"""The client: has the checkout's server run this process's command, and ends as it did.

It imports next to nothing, as every stage does this first.
"""

import fcntl
import os
import resource
import select
import signal
import sys
from _socket import (
    AF_UNIX,
    SCM_RIGHTS,
    SO_PEERCRED,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
    socketpair,
)
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn

from tasks.warm.inherited import (
    FOLDER,
    ROOT,
    inherited,
    open_folder,
    packed,
    socket_name,
)
from tasks.warm.starters import STARTED_BY, open_starters

PATIENCE = 60.0  # seconds to wait for a child; a new server imports for two or three
BY_HAND = 0.3  # the same where no server is started: one that is ready forks in 0.02
PASSED_ON = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGALRM),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT),
)


def run_warm() -> None:
    """Have a child of the server be this command; return only if none could begin it.

    Where there is no server, one is started if DVC started this command: by hand a
    command is mostly alone, and would wait for imports that it may not need.
    """
    if not (hasattr(os, "pidfd_open") and hasattr(os, "memfd_create")):
        return  # a Python built for an old kernel
    by_dvc = STARTED_BY in os.environ
    connection, (mine, theirs) = None, socketpair()
    starters: list[int] = []
    try:
        if by_dvc:
            open_starters(starters)
        text = inherited()
        connection = _connect(text, start=by_dvc)
        if connection and _ask(connection, theirs, text):
            theirs.close()
            mine.settimeout(PATIENCE if by_dvc else BY_HAND)
            if child := int.from_bytes(mine.recv(4), sys.byteorder):
                _Running(connection, child, starters).wait(mine)
    except OSError:
        pass
    for end in (mine, theirs, connection):  # a child that waits to begin sees it
        if end:
            end.close()
    for starter in starters:
        os.close(starter)


def _connect(text: str, *, start: bool) -> socket | None:
    """A connection to the server of those who inherited ``text``.

    Args:
        text: What :func:`inherited` says.
        start: Whether to start one where there is none.

    Raises:
        OSError: If something is wrong with the folder.
    """
    if start:
        os.makedirs(f"{ROOT}/{FOLDER}", mode=0o700, exist_ok=True)
    folder = open_folder()
    try:
        name = socket_name(text)
        if connection := _reach(folder, name):
            return connection
        if not start or _refused(folder, name):
            return None
        return _reach_new(folder, name)
    finally:
        os.close(folder)


def _reach_new(folder: int, name: str) -> socket | None:
    """Start a server, unless another stage has just done so, and connect to it."""
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection := _reach(folder, name):  # another stage was faster
            return connection
        _clear(folder)
        listener = socket(AF_UNIX, SOCK_STREAM)
        listener.bind(f"/proc/self/fd/{folder}/{name}")
        os.chmod(f"/proc/self/fd/{folder}/{name}", 0o600)
        listener.listen(128)  # whoever connects waits there for the imports
        _start(folder, name, listener)
        listener.close()
        return _reach(folder, name)
    finally:
        os.close(lock)


def _reach(folder: int, name: str) -> socket | None:
    """Connect to a socket of this user's; None where nobody listens."""
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{name}")
    except OSError:
        connection.close()
        return None
    peer = connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
    if int.from_bytes(peer[4:8], sys.byteorder) != os.getuid():
        connection.close()
        return None
    return connection


def _refused(folder: int, name: str) -> bool:
    """Whether such a server could not serve, and would not if started again."""
    try:
        os.stat(f"{name}.refused", dir_fd=folder)
    except OSError:
        return False
    return True


def _clear(folder: int) -> None:
    """Remove the sockets of servers that have ended; the lock is held."""
    for name in os.listdir(folder):
        if not name.endswith(".sock"):
            continue
        if left := _reach(folder, name):
            left.close()
        else:
            os.unlink(name, dir_fd=folder)


def _start(folder: int, name: str, listener: socket) -> None:
    """Start a server that is nobody's child, in a session of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DVC_")}
    command = [sys.executable, "-m", "tasks.warm.server", name]
    kept = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    log = os.open(f"{name[:-5]}.log", kept, 0o600, dir_fd=folder)
    child = os.fork()
    if child:
        os.close(log)
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        os.chdir(ROOT)
        os.execve(sys.executable, command, environment)  # noqa: S606
    finally:
        os._exit(127)


def _ask(connection: socket, theirs: socket, text: str) -> bool:
    """Ask for a child that is this command; False if a standard stream is closed.

    Args:
        connection: To the server.
        theirs: The child's end of the pair.
        text: What this process inherited.
    """
    streams = [
        [s.encoding, s.errors or "", str(s.line_buffering), str(s.write_through)]
        for s in (sys.stdin, sys.stdout, sys.stderr)
        if isinstance(s, TextIOWrapper)
    ]
    if len(streams) != 3:
        return False
    variables = [f"{name}={value}" for name, value in os.environ.items()]
    request = os.memfd_create("request")
    here = os.open(".", os.O_PATH | os.O_DIRECTORY)
    os.write(request, packed([text], sys.orig_argv, sys.path, variables, *streams))
    files = [0, 1, 2, here, request, theirs.fileno()]
    numbers = b"".join(file.to_bytes(4, sys.byteorder) for file in files)
    connection.sendmsg([b"?"], [(SOL_SOCKET, SCM_RIGHTS, numbers)])
    os.close(request)
    os.close(here)
    return True


class _Running:
    """A child that is this command.

    Args:
        connection: To the server.
        child: Its number, that of its process group too.
        starters: pidfds of the processes whose end is this command's.
    """

    def __init__(self, connection: socket, child: int, starters: list[int]) -> None:
        self.connection, self.child = connection, child
        self.starters = starters

    def wait(self, mine: socket) -> NoReturn:
        """Let the child begin and end as it does.

        Args:
            mine: Where it waits for a byte.
        """
        for number in PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)
        poll = select.poll()
        for file in (self.connection.fileno(), *self.starters):
            poll.register(file, select.POLLIN)
        with suppress(OSError):  # it was killed just now
            mine.send(b"!")
        while True:
            ready = [file for file, _ in poll.poll()]
            if self.connection.fileno() in ready:
                self._end(self._status())
            if ready:  # nobody is left who would use what it makes
                os.kill(os.getpid(), signal.SIGKILL)

    def _pass_on(self, number: int, _: Any) -> None:
        """Send a signal to the child's group; stop and go on with it."""
        stopped = number == signal.SIGTSTP
        # a group without a terminal is not stopped by the terminal's signal
        sent = signal.SIGSTOP if stopped else number
        try:
            self.connection.send(sent.to_bytes(1, sys.byteorder))
        except OSError:  # it has ended
            return
        if stopped:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _status(self) -> int:
        """How the child ended, as `os.waitpid` says it."""
        try:
            status = self.connection.recv(4)
        except OSError:
            status = b""
        if status:
            return int.from_bytes(status, sys.byteorder)
        with suppress(OSError):  # nothing is left of it
            os.killpg(self.child, signal.SIGKILL)
        os.write(2, b"the warm server of this checkout was ended, its stages with it\n")
        return signal.SIGKILL

    def _end(self, status: int) -> NoReturn:
        """End this process as the child ended."""
        if os.WIFEXITED(status):
            os._exit(os.WEXITSTATUS(status))
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the child's is the core
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
        os._exit(128 + number)
