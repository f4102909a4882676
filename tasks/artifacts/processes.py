"""Do several parts of some work in processes of their own, as many at once as cores.

Each process is forked from this one, so what was read before is not read again.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, cast

from tasks.artifacts.errors import RefusedError

Say = Callable[[Any], None]  # sends what a part reports to the process it comes from
PR_SET_PDEATHSIG = 1  # of Linux' prctl
LOOK = 1.0  # seconds between two looks at the processes above


def side_by_side(
    parts: int,
    work: Callable[[int, Say], None],
    heard: Callable[[int, Any], None],
    cores: int | None = None,
) -> None:
    """Run ``work(part, say)`` for each part in a process of its own.

    A process dies with this one. The first part that fails ends all others.

    Args:
        parts: How many.
        work: Given a part's number and how to report; leaves its result in files.
        heard: Called with a part's number and what it reported.
        cores: How many processes at once, >= 1; None for as many as this one may use.

    Raises:
        RefusedError: That of the first part that was refused.
        OSError: Likewise, e.g. of a disk that is full.
        ChildProcessError: If a process was killed or raised another error; its
            traceback is on stderr.
    """
    cores = cores or usable_cores()
    fork = multiprocessing.get_context("fork")
    waiting = list(range(parts))
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < cores:
                part = waiting.pop(0)
                listen, say = fork.Pipe(duplex=False)
                child = fork.Process(target=_child, args=(part, work, say, os.getpid()))
                child.start()
                say.close()  # so that its end is seen here
                running[listen] = part, child
            for listen in cast("list[Connection]", wait(list(running))):
                part, done = running[listen]
                try:
                    message = listen.recv()
                except EOFError:
                    del running[listen]
                    done.join()
                    if done.exitcode:
                        raise ChildProcessError(
                            f"part {part + 1} of {parts} ended with {done.exitcode}"
                        ) from None
                    continue
                if isinstance(message, Exception):
                    raise message
                heard(part, message)
    finally:
        for _, left in running.values():
            left.kill()
            left.join()


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _child(
    part: int, work: Callable[[int, Say], None], pipe: Connection, parent: int
) -> None:
    """Do the work of a part, and send its reports, or the error that ended it."""
    die_with(parent)
    try:
        work(part, pipe.send)
    except BrokenPipeError:  # nobody is left who would use the result
        os._exit(1)
    except (RefusedError, OSError) as error:  # the stage reports a full disk
        pipe.send(error)


def die_with(parent: int) -> None:
    """Be killed when the parent dies: at once on Linux, elsewhere within a second.

    Args:
        parent: Its process id, as it was when it surely lived.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        _watch([os.getpid(), parent])
    if os.getppid() != parent:
        os._exit(1)


def die_with_starter(variable: str) -> None:
    """Be killed when the process that had this command run dies.

    The starter is the nearest process above that was itself started without the
    variable that it set. Shells such as dash stay between the two, and do not end with
    the starter; so on Linux all of them are looked at once a second. Elsewhere only
    the parent is.

    Args:
        variable: The name of the environment variable.
    """
    entry = f"{variable}={os.environ[variable]}".encode()
    chain = [os.getpid()]
    while _was_given(chain[-1], entry):
        chain.append(_parent_of(chain[-1]))
    if len(chain) > 1 and _is_left_alone(*chain[-2:]):
        os._exit(1)
    die_with(os.getppid())
    if len(chain) > 2:  # more than this process and its parent
        _watch(chain)


def _watch(chain: Sequence[int]) -> None:
    """Be killed when one process of a chain is no longer the child of the next.

    The kernel gives a child another parent as soon as its own has ended, even while
    nobody has asked how.
    """

    def look() -> None:
        while all(_parent_of(child) == parent for child, parent in pairwise(chain)):
            time.sleep(LOOK)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=look, name="watch", daemon=True).start()


def _parent_of(process: int) -> int:
    """The number of a process' parent, 0 if the process is gone."""
    if process == os.getpid():
        return os.getppid()
    try:
        text = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])  # its name may hold anything


def _was_given(process: int, entry: bytes) -> bool:
    """Whether a process was started with an entry in its environment."""
    try:
        entries = Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return False
    return entry in entries.split(b"\0")


def _is_left_alone(process: int, parent: int) -> bool:
    """Whether a process' first parent has ended, and what is above took it over.

    Its parent is then of another session, though it leads none of its own.
    """
    try:
        session = os.getsid(process)
        return process != session and os.getsid(parent) != session
    except ProcessLookupError:
        return True
