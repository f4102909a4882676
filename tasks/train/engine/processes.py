"""Train the seeds of a stack in several processes, as many at once as there are cores.

Each process is forked from the one that read the data, so nothing is read twice, and
trains its part of the seeds as if they were all there are, with its own checkpoint.
Which seed is in which part depends on the parameters alone.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import cast

import torch

from tasks.artifacts.errors import RefusedError
from tasks.nets.critic import Critic
from tasks.nets.policy import Policy
from tasks.train.engine.loop import Curves

Report = Callable[[int, dict[str, float]], None]
PR_SET_PDEATHSIG = 1  # of Linux' prctl


def split(seeds: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """Divide seeds into parts of neighbours whose sizes differ by one at most.

    Args:
        seeds: All, in the order of the stack.
        parts: How many; never more than seeds.
    """
    parts = min(parts, len(seeds))
    cuts = [len(seeds) * i // parts for i in range(parts + 1)]
    return [tuple(seeds[a:b]) for a, b in pairwise(cuts)]


def side_by_side(
    parts: int,
    work: Callable[[int, Report], None],
    report: Report,
    cores: int | None = None,
) -> None:
    """Run ``work(part, report)`` for each part in a process of its own.

    A process dies with this one. The first part that fails ends all others.

    Args:
        parts: How many.
        work: Given a part's number and where to report; leaves its result in files.
        report: Called with the mean of all parts' reports.
        cores: How many processes at once, >= 1; None for as many as this one may use.

    Raises:
        RefusedError: That of the first part that was refused.
        OSError: Likewise, e.g. of a disk that is full.
        ChildProcessError: If a process was killed or raised another error; its
            traceback is on stderr.
    """
    cores = cores or _cores()
    fork = multiprocessing.get_context("fork")
    waiting = list(range(parts))
    reports: dict[int, tuple[int, dict[str, float]]] = {p: (0, {}) for p in waiting}
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
                            f"part {part} of the seeds ended with {done.exitcode}"
                        ) from None
                    continue
                if isinstance(message, Exception):
                    raise message
                reports[part] = message
                report(*_mean(list(reports.values())))
    finally:
        for _, left in running.values():
            left.kill()
            left.join()


def stack(whole: Policy | Critic, parts: Sequence[Policy] | Sequence[Critic]) -> None:
    """Put the parts' policies, or their critics, together into one of all seeds.

    Args:
        whole: Of all seeds, overwritten.
        parts: Of some seeds each, in order. Their tensors that are as long as those of
            the whole are shared by all seeds; the others begin with the stack.
    """
    states = [part.state_dict() for part in parts]
    whole.load_state_dict(
        {
            name: states[0][name]
            if states[0][name].shape == tensor.shape
            else torch.cat([state[name] for state in states])
            for name, tensor in whole.state_dict().items()
        }
    )


def interleave(parts: Sequence[Curves]) -> Curves:
    """The parts' curves in one, as if all seeds had been trained in one stack."""
    rows = [row for part in parts for row in part.rows]
    return Curves(parts[0].columns, sorted(rows, key=lambda row: row[0]))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _mean(
    reports: list[tuple[int, dict[str, float]]],
) -> tuple[int, dict[str, float]]:
    """Mean of the updates done, and of the metrics of the parts that have some."""
    done = sum(done for done, _ in reports) // len(reports)
    some = [metrics for _, metrics in reports if metrics]
    return done, {k: sum(m[k] for m in some) / len(some) for k in some[0]}


def _child(
    part: int, work: Callable[[int, Report], None], say: Connection, parent: int
) -> None:
    """Do the work of a part, and send its reports, or the error that ended it."""
    _die_with(parent)
    try:
        work(part, lambda done, metrics: say.send((done, metrics)))
    except BrokenPipeError:  # nobody is left who would use the result
        os._exit(1)
    except (RefusedError, OSError) as error:  # the stage reports a full disk
        say.send(error)


def _die_with(parent: int) -> None:
    """Be killed when the parent dies; off Linux its broken pipe ends us later."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
