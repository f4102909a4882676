"""The server: imports the libraries, then forks a child for each client.

Started by a client as ``python -m tasks.warm.server NAME``, with the listening socket
of that name as file 3. It ends when nobody has asked for a while, or its socket or its
checkout is gone; a server that cannot serve leaves ``NAME.refused`` with the reason.
"""

import ctypes
import fcntl
import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from importlib import import_module

from tasks.warm.child import Files, become
from tasks.warm.inherited import inherited, open_folder, socket_name

# What stages import that keeps to one thread and prints nothing. Not onnxruntime: it
# starts a thread, which a fork would not have.
LIBRARIES = (
    *("numpy.ma", "yaml", "torch", "safetensors.torch", "onnx", "h5py", "minari"),
    *("gymnasium.vector", "gymnasium.envs.mujoco", "jinja2", "rich.progress"),
    *("pandas", "pyarrow.parquet"),
    # numba imports these when it first calls a compiled function
    *("numba.np.arraymath", "numba.np.npyimpl", "numba.np.random.generator_methods"),
    *("numba.typed.typedlist", "numba.cpython.printimpl"),
    "numba.np.polynomial.polynomial_functions",
)
# pyarrow's allocator would start one that gives memory back now and then
NO_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
IDLE = 20.0  # seconds after the last child
LOOK = 1.0  # seconds between two looks at whether the socket is still there
PR_SET_PDEATHSIG = 1  # of Linux' prctl


@dataclass
class Client:
    """A connection, and its child once there is one.

    Attributes:
        connection: To the client.
        child: The child's number and that of its process group, 0 before the fork.
        ended: A pidfd of the child, -1 before the fork.
    """

    connection: socket.socket
    child: int = 0
    ended: int = -1

    def signal(self, number: int) -> None:
        """Send the child and its group a signal."""
        with suppress(ProcessLookupError):
            os.killpg(self.child, number)


class Server:
    """Forks a child a request, passes signals on and says how children ended.

    Args:
        listener: The socket to which clients connect.
        name: Its name.
        text: What this process inherited, as its clients did.
    """

    def __init__(self, listener: socket.socket, name: str, text: str) -> None:
        self.listener, self.name, self.text = listener, name, text
        self.folder = open_folder()
        self.inode = os.stat(self.name, dir_fd=self.folder).st_ino
        self.clients: dict[int, Client] = {}  # by the files that are polled
        self.poll = select.poll()
        self.poll.register(listener, select.POLLIN)
        self.pid = os.getpid()

    def serve(self) -> Files | None:
        """Serve until nobody asks any more.

        Returns:
            In a child the files of its request; in the server None, at its end.
        """
        last = time.monotonic()
        while self.clients or (time.monotonic() - last < IDLE and self._is_reachable()):
            if self.clients:
                last = time.monotonic()
            for file, _ in self.poll.poll(LOOK * 1000):
                if file == self.listener.fileno():
                    self._accept()
                    continue
                client = self.clients.get(file)
                if client and (files := self._attend(file, client)):
                    return Files(*files)
        return None

    def _accept(self) -> None:
        """Take a connection of this user's."""
        connection, _ = self.listener.accept()
        size = 12
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        if int.from_bytes(peer[4:8], sys.byteorder) != os.getuid():
            connection.close()
            return
        connection.setblocking(False)
        self._watch(connection.fileno(), Client(connection))

    def _attend(self, file: int, client: Client) -> list[int]:
        """Do what a client asks, or say how its child ended.

        Returns:
            In a new child the files of its request, else none.
        """
        if file == client.ended:
            _, status = os.waitpid(client.child, 0)
            with suppress(OSError):  # the client has gone too
                client.connection.send(status.to_bytes(4, sys.byteorder))
            self._forget(client)
        elif client.child:
            try:
                numbers = client.connection.recv(64)
            except OSError:
                numbers = b""
            for number in numbers or [signal.SIGKILL]:
                client.signal(number)
            if not numbers:
                self.poll.unregister(file)  # what is left is to wait for the child
        else:
            return self._begin(client)
        return []

    def _begin(self, client: Client) -> list[int]:
        """Fork the child that a client asks for; returns as `_attend`."""
        files: list[int] = []
        try:
            _, files, _, _ = socket.recv_fds(client.connection, 1, len(fields(Files)))
            if len(files) == len(fields(Files)):
                child = os.fork()
                if not child:
                    self._become_child()
                    return files
                os.setpgid(child, child)  # the child does so too, whoever is first
                client.child, client.ended = child, os.pidfd_open(child)
                self._watch(client.ended, client)
        except OSError:  # the client goes on alone
            pass
        for number in files:
            os.close(number)
        if not client.child:
            self._forget(client)
        return []

    def _become_child(self) -> None:
        """Keep nothing of the server's, and die with it."""
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.pid:
            os._exit(1)
        for file, other in self.clients.items():
            if file == other.ended:
                os.close(file)
            other.connection.close()
        self.listener.close()
        os.close(self.folder)

    def _watch(self, file: int, client: Client) -> None:
        self.clients[file] = client
        self.poll.register(file, select.POLLIN)

    def _forget(self, client: Client) -> None:
        """Close what belongs to a client that has ended."""
        for file in (client.connection.fileno(), client.ended):
            if self.clients.pop(file, None):
                with suppress(KeyError):
                    self.poll.unregister(file)
        client.connection.close()
        if client.ended >= 0:
            os.close(client.ended)

    def _is_reachable(self) -> bool:
        """Whether the socket is still where clients look for it."""
        try:
            folder = open_folder()
        except OSError:
            return False
        try:
            return os.stat(self.name, dir_fd=folder).st_ino == self.inode
        except OSError:
            return False
        finally:
            os.close(folder)

    def leave(self) -> None:
        """Remove the socket; whoever asked just now goes on alone."""
        with suppress(OSError), lock_of(self.folder):
            if os.stat(self.name, dir_fd=self.folder).st_ino == self.inode:
                os.unlink(self.name, dir_fd=self.folder)
                os.unlink(f"{self.name[:-5]}.log", dir_fd=self.folder)
        self.listener.close()


@contextmanager
def lock_of(folder: int) -> Iterator[None]:
    """Hold the lock under which sockets appear and go."""
    lock = os.open("lock", os.O_RDWR | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def load() -> str:
    """Import the libraries.

    Returns:
        Why this process cannot serve, or nothing.
    """
    gc.disable()  # it would write into every page that children share
    added = NO_THREADS.keys() - os.environ.keys()
    os.environ.update({name: NO_THREADS[name] for name in added})
    for name in LIBRARIES:
        try:
            import_module(name)
        except ImportError:  # not installed, or elsewhere in another version
            continue
        except Exception as error:
            return f"{name}: {type(error).__name__}: {error}"
    for name in added:
        del os.environ[name]
    if threads := len(os.listdir("/proc/self/task")) - 1:
        return f"the libraries started {threads} threads"
    gc.collect()
    gc.freeze()
    return ""


def main() -> None:
    """Be the server; in a child, be what its client asked for."""
    name, before = sys.argv[1], dict(os.environ)
    listener = socket.socket(fileno=3)
    listener.set_inheritable(False)
    text = inherited()
    server = Server(listener, name, text)
    files = None
    same = name == socket_name(text)
    why = load() if same else "it inherited something else than its client"
    if why:
        refusal = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        file = os.open(f"{name}.refused", refusal, 0o600, dir_fd=server.folder)
        os.write(file, f"{why}\n".encode())
    elif text == inherited(before):  # no package has changed meanwhile
        os.chdir("/")
        files = server.serve()
    if not files:
        server.leave()
        os._exit(0)
    set_by_libraries = {k: v for k, v in os.environ.items() if before.get(k) != v}
    become(files, text, set_by_libraries)


if __name__ == "__main__":
    main()
