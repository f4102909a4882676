"""Worker processes that train on request, so that several ways can take turns.

A worker reads one JSON request a line and answers with one line. It is started once,
with a number of threads, and sleeps while others are measured.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks import peer

HERE = Path(__file__).parent
# set to 1 by importing tasks, in this process
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PEERS = ("d3rlpy", "jax")
ONE_THREAD = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
MAX_LINES = 30  # of a failed worker's messages that are shown


class Worker:
    """One worker process.

    Args:
        kind: ``ours``, ``single_file``, ``d3rlpy`` or ``jax``.
        threads: How many torch uses; None leaves it to the library ("as it comes"),
            which takes one a core. JAX takes one in either case: it is held to one
            core, as its compiler's flags do not keep it from taking more.
        log: The file its messages go to.
    """

    def __init__(self, kind: str, threads: int | None, log: Path) -> None:
        if kind in PEERS:  # -I: no file of this folder hides a package
            command = [str(peer.python(kind)), "-I", str(HERE / f"{kind}_worker.py")]
        else:
            own = [kind, str(threads or len(os.sched_getaffinity(0)))]
            command = [sys.executable, "-m", "benchmarks.our_worker", *own]
        environment = {k: v for k, v in os.environ.items() if k not in LIMITS}
        environment |= ONE_THREAD if kind == "jax" else {}
        if threads is not None:
            environment |= dict.fromkeys(LIMITS, str(threads))
        self.log = log
        with log.open("w", encoding="utf-8") as messages:
            self.process = subprocess.Popen(
                command,
                cwd=HERE.parent,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
            )
        if kind == "jax":
            os.sched_setaffinity(self.process.pid, {min(os.sched_getaffinity(0))})

    def ask(self, request: Mapping[str, Any]) -> None:
        """Send a request; several workers asked in a row work at once."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to a request.

        Raises:
            RuntimeError: If the worker ended instead; has its last messages.
        """
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        if line := self.process.stdout.readline():
            return dict(json.loads(line))
        messages = self.log.read_text(encoding="utf-8").splitlines()[-MAX_LINES:]
        raise RuntimeError("a worker ended:\n" + "\n".join(messages))

    def close(self) -> None:
        """End the worker."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        self.process.stdin.close()
        self.process.wait()


class Crew:
    """Workers by name, started on first use and ended together.

    Args:
        folder: Where their messages go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        """Enter the block at whose end the workers end; none runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers."""
        for worker in self.workers.values():
            worker.close()

    def get(self, name: str, kind: str, threads: int | None) -> Worker:
        """The worker of a name, started if there is none yet.

        Args:
            name: Any.
            kind: As of a worker.
            threads: As of a worker.
        """
        if name not in self.workers:
            log = self.folder / f"{len(self.workers)}.log"
            self.workers[name] = Worker(kind, threads, log)
        return self.workers[name]


def together(
    workers: Sequence[Worker], requests: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Send each worker a request, all at once, and wait for all answers."""
    for worker, request in zip(workers, requests, strict=True):
        worker.ask(request)
    return [worker.answer() for worker in workers]
