"""A Prefect server of this project: which one to use, and one for a while.

All state is in ``.offcut/prefect`` of the project; the server listens on loopback, sends
nothing anywhere, and answers no page of another site. Importing this module does not
import Prefect, whose settings are read once, when it is imported: set `settings` and
enter `api` before.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from tasks.artifacts.errors import RefusedError

HOST = "127.0.0.1"
NAMES = {HOST, "localhost"}
PORT = 4200  # of `make ui`, unless told otherwise
STARTING = 180  # seconds a server may take; a cold one on a busy machine takes 60
ENDING = 10  # seconds between SIGTERM and SIGKILL
SENDING = 30  # seconds events and log lines may take to reach the server
SETPRIV = shutil.which("setpriv")

# services that a run does not need; the one of `make ui` has them all
IDLE = ["CANCELLATION_CLEANUP", "CLEANUP_RECONCILER", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "REPOSSESSOR", "SCHEDULER", "TRIGGERS"]

def home(root: Path) -> Path:
    """Where Prefect keeps everything of this project."""
    return root / ".offcut" / "prefect"


def settings(root: Path) -> dict[str, str]:
    """The environment of every process that uses Prefect here.

    Args:
        root: The project, absolute.

    Returns:
        Variables that replace the user's own, except for the address of a server.
    """
    return {
        "PREFECT_HOME": str(home(root)),
        "PREFECT_PROFILES_PATH": str(home(root) / "profiles.toml"),
        # nothing is sent anywhere: of the library, the server, its pages in the browser
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_LOGFIRE_ENABLED": "false",
        # the server
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTING),
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # SQLite has one writer: wait for it instead of failing, and let clients ask again
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": (
            f"sqlite+aiosqlite:///{home(root) / 'prefect.db'}"
        ),
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
        "PREFECT_CLIENT_MAX_RETRIES": "10",
        "PREFECT_API_REQUEST_TIMEOUT": "120",
        # a slot taken outlives the server, so that it is given back after a restart
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        # seconds: between a click and its run; until a waiting run tries again
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        # lines of a stage are told where there is no run too, e.g. by a test
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_COLORS": "false",
    }


@contextmanager
def api(root: Path) -> Iterator[str]:
    """A server to talk to, which is also PREFECT_API_URL of this process meanwhile.

    The one the user named in PREFECT_API_URL; else the one of ``make ui``; else one
    that is ended afterwards, when it has recorded everything sent to it.

    Args:
        root: The project, absolute.

    Yields:
        The address of its API.

    Raises:
        RefusedError: If the user's server does not answer, or none can be started.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        if not _answers(url):
            raise RefusedError(
                "environment",
                "PREFECT_API_URL",
                f"{url}, which does not answer",
                "the address of a Prefect server",
                "unset it and start one with `make ui`, "
                "or run without one: `make flow LOCAL=1`",
            )
        yield url
        return
    with ExitStack() as stack:
        stack.enter_context(using(root))
        url = running(root)
        if url is None:
            url = stack.enter_context(started(root, bound(0), services=False))
        os.environ["PREFECT_API_URL"] = url
        stack.callback(os.environ.pop, "PREFECT_API_URL", None)
        stack.callback(_drain)
        yield url


def running(root: Path) -> str | None:
    """The address of the API of this project's ``make ui``, if it runs."""
    try:
        found = (home(root) / "url").read_text("utf-8").strip()
    except FileNotFoundError:
        found = f"http://{HOST}:{PORT}/api"
    return found if _ours(found, root) else None


def bound(port: int) -> socket.socket:
    """A socket bound to a port of loopback; 0 for a free one.

    Raises:
        OSError: If the port is taken.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
    except OSError:
        made.close()
        raise
    return made


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
    dies = [SETPRIV, "--pdeathsig", "KILL", "--"] if SETPRIV else []
    log = root / ".offcut" / "logs" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with listener, log.open("a+b") as output, _alone(root):
        before = output.tell()
        server = subprocess.Popen(
            [*dies, sys.executable, "-m", "flows.application", str(listener.fileno())],
            cwd=Path(__file__).parents[1],  # where the module is found
            env=os.environ | settings(root) | _server(port, services),
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in a terminal is not for it
        )
        try:
            _wait(server, url, output, before)
        except BaseException:
            _end(server)
            raise
    try:
        yield url
    finally:
        _end(server)


@contextmanager
def using(root: Path) -> Iterator[bool]:
    """Say that this process uses the project's Prefect.

    Yields:
        Whether nobody else does: then a run that is not over has lost its process.
    """
    path = home(root) / "using.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield alone


def call(url: str, path: str, body: object = None, timeout: float = 60) -> Any:
    """Ask the API, without Prefect's client: GET, or POST of a body.

    Raises:
        OSError: If it does not answer, or with an error.
        ValueError: If its answer is not JSON.
    """
    request = urllib.request.Request(  # noqa: S310, of a server we were given
        f"{url}/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as response:
        return json.load(response)


def _answers(url: str) -> bool:
    try:
        return call(url.rstrip("/"), "health", timeout=10) is True
    except (OSError, ValueError):
        return False


def _ours(url: str, root: Path) -> bool:
    """Whether the server there keeps its state in this project."""
    try:
        return Path(call(url, "admin/settings", timeout=10)["home"]) == home(root)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _server(port: int, services: bool) -> dict[str, str]:
    """What only the server's own process needs."""
    origins = ",".join(f"http://{name}:{port}" for name in sorted(NAMES))
    idle = {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in IDLE}
    return {
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
    } | ({} if services else idle)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One server at a time moves the database to the present version."""
    path = home(root) / "starting.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wait(
    server: "subprocess.Popen[bytes]", url: str, output: IO[bytes], before: int
) -> None:
    """Until the server answers.

    Raises:
        RefusedError: If it ends, or does not answer in time.
    """
    deadline = time.monotonic() + STARTING
    while server.poll() is None and time.monotonic() < deadline:
        if _answers(url):
            return
        time.sleep(0.05)
    output.seek(before)
    said = output.read().decode(errors="replace").strip().splitlines()
    ended = server.poll() is not None
    raise RefusedError(
        output.name,
        "Prefect server",
        f"{'its end' if ended else 'no answer'} after: {' / '.join(said[-5:])}",
        f"an answer of {url} within {STARTING} s",
        "mend what its log names, or run without it: `make flow LOCAL=1`",
    )


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(ENDING)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _drain() -> None:
    """Send what Prefect still holds back in this process, if it was imported at all."""
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=SENDING, at_exit=False)
