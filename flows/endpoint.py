"""A server as a process and as an address: ports, questions, start and end."""

import json
import signal
import socket
import subprocess
import time
import urllib.request
from typing import IO, Any
from urllib.error import URLError

from tasks.artifacts.errors import RefusedError

HOST = "127.0.0.1"
STARTING = 180  # seconds a server may take; a cold one on a busy machine takes 60
ENDING = 10  # seconds between SIGTERM and SIGKILL


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


def answers(url: str) -> bool:
    """Whether a Prefect server answers there."""
    try:
        return call(url.rstrip("/"), "health", timeout=10) is True
    except (OSError, ValueError):
        return False


def refuses(url: str) -> bool:
    """Whether nobody listens there any more; one that is slow to answer does."""
    try:
        call(url.rstrip("/"), "health", timeout=10)
    except URLError as error:
        return isinstance(error.reason, ConnectionRefusedError)
    except (OSError, ValueError):
        return False
    return False


def wait(
    server: "subprocess.Popen[bytes]", url: str, output: IO[bytes], before: int
) -> None:
    """Until the server answers.

    Raises:
        RefusedError: If it ends, or does not answer in time.
    """
    deadline = time.monotonic() + STARTING
    while server.poll() is None and time.monotonic() < deadline:
        if answers(url):
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


def end(server: "subprocess.Popen[bytes]") -> None:
    """End a server, at once if it does not do so itself."""
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(ENDING)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
