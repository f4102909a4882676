"""Which Prefect server a process uses; starts one where none runs.

The state of this project's server lies in ``.offcut/prefect``; it listens on loopback
and sends nothing anywhere. Importing this module does not import Prefect, which reads
its settings once, when it is imported: set `settings` and enter `api` before.
"""

import fcntl
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flows.server.endpoint import (
    HOST,
    answers,
    bound,
    call,
    end,
    refuses,
    wait,
)
from flows.server.settings import PORT, home, server_settings, settings
from tasks.artifacts.errors import RefusedError

SENDING = 30  # seconds the last events and log lines may take to reach the server
SETPRIV = shutil.which("setpriv")


@contextmanager
def api(root: Path) -> Iterator[str]:
    """A server to talk to, which is also PREFECT_API_URL of this process meanwhile.

    It is the one the user named in PREFECT_API_URL; else the one of ``make ui``; else
    one started here, which is ended afterwards, when it has recorded what was sent.

    Args:
        root: The project, absolute.

    Yields:
        The address of its API.

    Raises:
        RefusedError: If the user's server does not answer, or none can be started.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        if not answers(url):
            raise RefusedError(
                "environment",
                "PREFECT_API_URL",
                f"{url}, which does not answer",
                "the address of a Prefect server",
                "unset it and start one with `make ui`, "
                "or run without one: `make flow LOCAL=1`",
            )
        try:
            yield url
        finally:
            if refuses(url):
                _drain(url)
        return
    with ExitStack() as stack:
        stack.enter_context(using(root))
        url = running(root)
        if url is None:
            url = stack.enter_context(started(root, bound(0), services=False))
        os.environ["PREFECT_API_URL"] = url
        stack.callback(os.environ.pop, "PREFECT_API_URL", None)
        stack.callback(_drain, url)
        yield url


def running(root: Path) -> str | None:
    """The address of the API of this project's ``make ui``, if it runs."""
    try:
        url = (home(root) / "url").read_text("utf-8").strip()
    except FileNotFoundError:
        url = f"http://{HOST}:{PORT}/api"
    return url if _is_ours(url, root) else None


@contextmanager
def started(root: Path, listener: socket.socket, *, services: bool) -> Iterator[str]:
    """Start a server and end it afterwards; it dies with the thread that started it.

    Args:
        root: The project, absolute.
        listener: Where it listens; closed here.
        services: Whether it schedules, and notices late and lost runs.

    Yields:
        The address of its API.

    Raises:
        RefusedError: If it ends, or does not answer in time.
    """
    port = listener.getsockname()[1]
    url = f"http://{HOST}:{port}/api"
    die_with_parent = [SETPRIV, "--pdeathsig", "KILL", "--"] if SETPRIV else []
    log = root / ".offcut" / "logs" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with listener, log.open("a+b") as output, _alone(root):
        before = output.tell()
        server = subprocess.Popen(
            [
                *die_with_parent,
                sys.executable,
                "-m",
                "flows.server.application",
                str(listener.fileno()),
            ],
            cwd=Path(__file__).parents[2],  # where the module is found
            env=os.environ | settings(root) | server_settings(port, services),
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in a terminal is not for it
        )
        try:
            wait(server, url, output, before)
        except BaseException:
            end(server)
            raise
    try:
        yield url
    finally:
        end(server)


@contextmanager
def using(root: Path, patience: float = 0) -> Iterator[bool]:
    """Mark this process as one that uses the project's Prefect.

    Args:
        root: The project, absolute.
        patience: Seconds to wait for other processes to end: those of a server that
            was killed may still be dying.

    Yields:
        Whether no other process does: a run that is not over has then lost its own.
    """
    path = home(root) / "using.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        until, alone = time.monotonic() + patience, False
        while not alone:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                if time.monotonic() >= until:
                    break
                time.sleep(0.1)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield alone


def _is_ours(url: str, root: Path) -> bool:
    """Whether the server at an address keeps its state in this project."""
    try:
        return Path(call(url, "admin/settings", timeout=10)["home"]) == home(root)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the lock under which one server at a time migrates the database."""
    path = home(root) / "starting.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _drain(url: str) -> None:
    """Send the events and log lines that Prefect still holds back in this process.

    Prefect tries each event for seconds, so where no server listens all are dropped.
    """
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    gone = refuses(url)
    workers: tuple[Any, ...] = (EventsWorker, APILogWorker)
    for worker in workers:
        logging.getLogger(worker.__name__).setLevel(logging.ERROR)  # that it takes time
        for instance in tuple(worker._instances.values()) if gone else ():
            if instance._loop and instance._task:
                instance._loop.call_soon_threadsafe(instance._task.cancel)
        worker.drain_all(timeout=SENDING, at_exit=False)
