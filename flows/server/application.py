"""The process of Prefect's server: ``python -m flows.server.application FD``.

FD is the number of a bound socket that it inherits and listens on, so that a port once
found free stays so.
"""

import asyncio
import os
import re
import socket
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    MutableMapping,
)
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from prefect.server.api import collections
from prefect.server.api.server import create_app
from prefect.server.utilities.messaging.memory import METRICS

from flows.server.pages import mounts
from flows.server.settings import NAMES

# pages may load from the server alone: they set up analytics even where that is off;
# no other page may frame them, where a click could be led to start or end a run
HERE = " ".join(f"{kind}://{name}:*" for kind in ("http", "ws") for name in NAMES)
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    f"connect-src 'self' {HERE}; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
]
# this server's names, in the one form in which browsers and programs write them
NAME = "|".join(re.escape(name) for name in sorted(NAMES))
HOST_HEADER = re.compile(rf"(?:{NAME})(?::(\d{{1,5}}))?", re.ASCII | re.IGNORECASE)
ORIGIN_HEADER = re.compile(rf"http://{HOST_HEADER.pattern}", re.ASCII | re.IGNORECASE)
RECORDING = 10  # seconds the server may take at its end to record the last events

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Loopback:
    """ASGI middleware that refuses requests from pages of other sites.

    Programs of this machine and the server's own pages are answered, and those pages
    may in turn load from this server alone. A page of another site, open in the same
    browser, could otherwise start runs: by a request it needs no answer to, or by a
    host name of its own that points to 127.0.0.1.

    Args:
        app: The application that answers what is let through.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI defines it: pass it on, or refuse it."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        if scope["type"] == "lifespan" or self.is_own(scope["headers"]):
            await self.app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            start = {"type": "http.response.start", "status": 403, "headers": HEADERS}
            await send(start)
            await send({"type": "http.response.body", "body": b"not from here"})

    @staticmethod
    def is_own(headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request names this server and, if a page sent it, one of its own.

        What is malformed, or said twice, is not.

        Args:
            headers: Names in lower case, with their values.
        """
        hosts, origins = (
            [value.decode("latin-1") for name, value in headers if name == wanted]
            for wanted in (b"host", b"origin")
        )
        host = HOST_HEADER.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if host is None or not origins:
            return host is not None
        page = ORIGIN_HEADER.fullmatch(origins[0]) if len(origins) == 1 else None
        return page is not None and page[1] == host[1]


def application() -> FastAPI:
    """Prefect's server, which asks no other site and ends with all events recorded."""
    # the catalogue of other people's workers comes from the package, not from a site
    for view in collections.KNOWN_VIEWS:
        collections.KNOWN_VIEWS[view] = "package:"
    app = create_app(final=True)
    app.router.routes[:0] = mounts(Path(os.environ["PREFECT_HOME"]).parents[1])
    app.add_middleware(Loopback)
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan_with_events(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app):
            yield
            await wait_for_events()

    app.router.lifespan_context = lifespan_with_events
    return app


async def wait_for_events() -> None:
    """Wait until every published event is recorded: task runs exist by events alone."""
    events = METRICS["events"]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + RECORDING
    while events["consumed"] < events["published"] and loop.time() < deadline:
        await asyncio.sleep(0.02)


def main() -> None:
    """Serve on the socket the command line names, until told to end."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(application(), log_level="warning", lifespan="on")
    config.timeout_graceful_shutdown = 5
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
