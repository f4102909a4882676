"""A server as an address and a process: its port, requests to it, its start and end."""

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
    """Bind a socket to a port of loopback, so that nobody else can take it.

    Args:
        port: 1 to 65535, or 0 for any free one.

    Raises:
        OSError: If the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener


def call(url: str, path: str, body: object = None, timeout: float = 60) -> Any:
    """Ask a server's API without Prefect's client, whose import takes seconds.

    Args:
        url: Of the API, without a slash at its end.
        path: Below it.
        body: What to POST as JSON; None is a GET.
        timeout: Seconds the answer may take.

    Returns:
        The answer, parsed from JSON.

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
    """Whether a Prefect server answers at the address of an API."""
    try:
        return call(url.rstrip("/"), "health", timeout=10) is True
    except (OSError, ValueError):
        return False


def refuses(url: str) -> bool:
    """Whether nobody listens at an address any more; a slow server still does."""
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
    """Wait until a server that was just started answers.

    Args:
        server: Its process.
        url: The address of its API.
        output: Its log, open for reading.
        before: Where in the log its own lines begin, in bytes.

    Raises:
        RefusedError: If it ends, or does not answer in time.
    """
    deadline = time.monotonic() + STARTING
    while server.poll() is None and time.monotonic() < deadline:
        if answers(url):
            return
        time.sleep(0.05)
    output.seek(before)
    lines = output.read().decode(errors="replace").strip().splitlines()
    ended = server.poll() is not None
    raise RefusedError(
        output.name,
        "Prefect server",
        f"{'its end' if ended else 'no answer'} after: {' / '.join(lines[-5:])}",
        f"an answer of {url} within {STARTING} s",
        "mend what its log names, or run without it: `make flow LOCAL=1`",
    )


def end(server: "subprocess.Popen[bytes]") -> None:
    """End a server; it is killed if it does not end itself in time."""
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(ENDING)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
