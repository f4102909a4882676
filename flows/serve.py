"""Serve Prefect's pages: ``python -m flows.serve [--port N]``, which is ``make ui``.

Starts the project's Prefect server, and offers the flows `pipeline`, `study` and
`compare` to be started from its pages. All of it ends with this process, however that
ends.
"""

import argparse
import asyncio
import fcntl
import importlib
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from flows.server.endpoint import HOST, bound, call
from flows.server.settings import PORT, home, settings
from flows.server.stale_runs import crash_lost, skip_late
from flows.server.start import SETPRIV, running, started, using
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_text
from tasks.artifacts.stage import run_stage

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

SERVED = ("pipeline", "study", "compare")  # each a flow of its name in flows/NAME.py
NIGHTLY = "0 2 * * *"  # cron, in the machine's own time zone
SLUG = "nightly"
AT_ONCE = {"study": 4}  # runs of one deployment; studies stand in folders of their own


def main() -> None:
    """Serve the project in the current folder until Ctrl-C or SIGTERM."""
    options = argparse.ArgumentParser(prog="python -m flows.serve", description=__doc__)
    options.add_argument("--port", type=int, default=PORT, help="of loopback")
    port = options.parse_args().port
    root = Path.cwd()
    if not (root / "dvc.yaml").exists():
        raise RefusedError(
            root, "dvc.yaml", "nothing", "a clone of the project", "start it from there"
        )
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ |= settings(root)
    with suppress(KeyboardInterrupt):
        serve(root, port)
    _say("ended")


def serve(root: Path, port: int) -> None:
    """Serve until told to end.

    Args:
        root: The project, absolute.
        port: Where the server listens.

    Raises:
        RefusedError: If the project is served already, the port is taken, or the server
            does not start.
    """
    with _only_server(root):
        listener = _listener(port)
        _say("starting, 5 s (15 s the first time) ...")
        with (
            using(root, patience=3) as alone,
            started(root, listener, services=True) as url,
            _announced(root, url),
        ):
            os.environ["PREFECT_API_URL"] = url
            lost = crash_lost(url) if alone else 0
            late = skip_late(url)
            sys.executable = str(_python(root))  # of the processes that run flows
            asyncio.run(_serve(url, lost, late))


async def _serve(url: str, lost: int, late: int) -> None:
    """Offer the flows on a server, and run them, until told to end.

    Args:
        url: The address of its API.
        lost: How many runs were found without a process, to be said.
        late: How many scheduled runs were found too late, to be said.
    """
    from prefect.runner import Runner

    # a schedule that was switched on stays so
    runner = Runner(name="offcut", pause_on_shutdown=False)
    for name in SERVED:
        await runner.aadd_deployment(await _deployment(name, url))
    running = asyncio.create_task(runner.start())
    while not (runner.started or running.done()):  # it sets a handler of its own first
        await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def end() -> None:
        if stopping:  # asked twice: children die with this process
            os._exit(130)
        _say("ending; once more to end at once")
        stopping.append(asyncio.create_task(runner.astop()))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    page = url.removesuffix("/api")
    _say(f"open {page}/v2/deployments")
    _say(f"served: {', '.join(SERVED)}; click one, then Run")
    if lost:
        _say(f"runs that had lost their process, now Crashed: {lost}")
    if late:
        _say(f"scheduled runs more than an hour late, now Cancelled: {late}")
    _say("Ctrl-C ends all")
    await running


async def _deployment(name: str, url: str) -> "RunnerDeployment":
    """A flow as a Prefect deployment, so that pages can start it.

    Runs above its limit wait. The schedule of a known one stays as the user left it.

    Args:
        name: Of the flow and its module.
        url: The address of the server's API.
    """
    from prefect.client.schemas.objects import (
        ConcurrencyLimitConfig,
        ConcurrencyLimitStrategy,
    )
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    nightly = Cron(NIGHTLY, timezone=_timezone(), active=False, slug=SLUG)
    deployment: RunnerDeployment = await flow.ato_deployment(
        name,
        schedules=[nightly] if name == "pipeline" else [],
        concurrency_limit=ConcurrencyLimitConfig(
            limit=AT_ONCE.get(name, 1),
            collision_strategy=ConcurrencyLimitStrategy.ENQUEUE,
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    if name == "study" and (names := study_names(Path.cwd())):
        # a list to choose from; Prefect makes it of types alone
        deployment._parameter_openapi_schema.properties["name"]["enum"] = names
    try:
        call(url, f"deployments/name/{flow.name}/{name}")
    except OSError:
        return deployment
    deployment.schedules = []  # the user may have switched it on
    deployment.model_fields_set.discard("schedules")
    return deployment


def study_names(root: Path) -> list[str]:
    """The studies of a project, which its pages offer until the next start.

    Args:
        root: The project.
    """
    return sorted(path.stem for path in (root / "params/study").glob("*.yaml"))


def _timezone() -> str:
    """The machine's own time zone, by the name that a cron schedule takes."""
    name = os.environ.get("TZ") or os.path.realpath("/etc/localtime")
    name = name.removeprefix(":").partition("zoneinfo/")[2] or name
    return "UTC" if name.startswith("/") else name


def _python(root: Path) -> Path:
    """Write a program that runs Python so that it dies with this process.

    Its processes do not see this one's Ctrl-C either.

    Returns:
        Its path; the present interpreter where the machine lacks the tools.
    """
    setsid = shutil.which("setsid")
    if not (SETPRIV and setsid):
        return Path(sys.executable)
    path = home(root) / "python"
    start = [SETPRIV, "--pdeathsig", "KILL", "--", setsid, sys.executable]
    write_text(path, f'#!/bin/sh\nexec {shlex.join(start)} "$@"\n')
    path.chmod(path.stat().st_mode | 0o100)
    return path


def _listener(port: int) -> socket.socket:
    """A socket on the port of the server.

    Raises:
        RefusedError: If the port is taken; names who has it.
    """
    try:
        return bound(port)
    except OSError as error:
        raise RefusedError(
            f"{HOST}:{port}",
            "port",
            f"{error.strerror}{_holder(port)}",
            "a free port",
            "end that process, or take another port: make ui PORT=4300",
        ) from None


def _holder(port: int) -> str:
    """Which process listens on a port, in words; empty where we may not see it."""
    sockets = set()
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f" by process {process.name} ({name})"
        except OSError:
            continue
    return ""


@contextmanager
def _only_server(root: Path) -> Iterator[None]:
    """Refuse a second server of the same project."""
    path = home(root) / "serve.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            url = running(root)
            raise RefusedError(
                root,
                "make ui",
                f"one at {url.removesuffix('/api')}" if url else "one that starts",
                "none",
                "use that one, or end it with Ctrl-C first",
            ) from None
        yield


@contextmanager
def _announced(root: Path, url: str) -> Iterator[None]:
    """Write down the address, where other commands of this project look for it."""
    path = home(root) / "url"
    write_text(path, f"{url}\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(f"ui: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(run_stage(main))
