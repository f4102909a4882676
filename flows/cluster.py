"""The same run on a Dask cluster: ``python -m flows --dask tcp://HOST:8786``.

The driver judges, records and shows every stage; a worker makes it. Dask carries a
stage's description and its lines of output, DVC's remote carries the data.
"""

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue

from distributed import Client, Future, KilledWorker, Security

from flows.jobs import Job, Made
from flows.processes import log_path
from flows.run import LOGS, Run, Tell
from flows.schedule import Outcome
from flows.sides import Ledger
from flows.worker import work
from tasks.artifacts.errors import RefusedError

ANSWER = 10  # seconds the scheduler may take to answer
PATIENCE = 300  # seconds a stage waits where the cluster has no worker
LOOK = 1  # seconds between two looks at the cluster


class Cluster(Run):
    """Brings stages up to date on a cluster.

    Args:
        graph: The stages.
        client: Of the scheduler.
        address: Of the scheduler.
        timeout: Seconds a stage may take on its worker, or None.
        patience: Seconds to wait for a worker where there is none.
    """

    graph: Ledger

    def __init__(
        self,
        graph: Ledger,
        client: Client,
        address: str,
        timeout: float | None = None,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(graph, timeout)
        self.client, self.patience = client, patience
        self.address = address
        self.topic = uuid.uuid4().hex
        self._heard: dict[str, SimpleQueue[str | None]] = {}
        self._threads, self._asked = 0, -float("inf")
        client.subscribe_topic(self.topic, self._hear)

    @classmethod
    def open(
        cls,
        address: str,
        targets: Sequence[str] = (),
        *,
        force: bool = False,
        timeout: float | None = None,
        patience: float = PATIENCE,
    ) -> "Cluster":
        """A run of the graph in this folder.

        Raises:
            RefusedError: As `Ledger`, or if no scheduler answers.
        """
        _check_address(address)
        graph = Ledger(targets, force=force)
        # a stage says what happened to it; Dask would add a traceback of its own
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            client = Client(address, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RefusedError(
                "--dask",
                address,
                " ".join(str(error).split()) or "no answer",
                "the address of a Dask scheduler, like tcp://127.0.0.1:8786",
                "start one with: dask scheduler --host 127.0.0.1",
            ) from error
        return cls(graph, client, address, timeout, patience)

    def workers(self) -> int:
        """The cluster's threads; one at least, so that a stage waits for a worker."""
        return max(self.threads(), 1)

    def threads(self) -> int:
        """The cluster's threads, as of a moment ago."""
        if time.monotonic() - self._asked > LOOK:
            self._asked = time.monotonic()
            with suppress(OSError, RuntimeError):  # it has gone: the stages will tell
                told = self.client.scheduler_info()["workers"]
                self._threads = sum(worker["nthreads"] for worker in told.values())
        return self._threads

    def stop(self) -> None:
        """End what still runs, here and on the workers."""
        super().stop()
        self.client.close()

    def fetch(self, name: str) -> None:
        """Have a stage's outputs in this folder, unless something is in the way."""
        with suppress(RefusedError):
            self.graph.fetch(name)

    def note(self) -> str:
        """Where the outputs are."""
        absent = self.graph.absent()
        return (
            f"; {absent} outputs are in the remote alone, dvc pull fetches them"
            if absent
            else ""
        )

    def _stage(self, name: str, tell: Tell) -> Outcome:
        if self.graph.settled(name):
            return Outcome("cached", "unchanged")
        if self.graph.here(name):
            self.graph.bring(name)
            return super()._stage(name, tell)
        job = replace(self.graph.job(name), timeout=self.timeout, topic=self.topic)
        made = self._made(job, tell)
        if made.entry:
            self.graph.accept(job, made)
        return Outcome(made.state, made.message, made.seconds)

    def _made(self, job: Job, tell: Tell) -> Made:
        """Have a job done, passing on what the worker says meanwhile."""
        heard = self._heard[job.stage] = SimpleQueue()
        path = log_path(LOGS, job.stage)
        path.parent.mkdir(parents=True, exist_ok=True)
        future = self.client.submit(
            work, job, key=f"{job.stage}-{self.topic}", pure=False
        )
        future.add_done_callback(lambda _: heard.put(None))
        lost: float | None = None  # since when there has been no worker
        with path.open("w", encoding="utf-8") as log:
            while not self.processes.stopped:
                try:
                    line = heard.get(timeout=LOOK)
                except Empty:
                    lost = self._lost(lost, tell)
                    continue
                if line is None:
                    break
                log.write(f"{line}\n")
                log.flush()
                tell(line)
        return self._result(future)

    def _lost(self, since: float | None, tell: Tell) -> float | None:
        """Since when there has been no worker, if there is none.

        Raises:
            RefusedError: If that is too long.
        """
        if self.threads():
            return None
        now = time.monotonic()
        if since is None:
            tell(f"waiting: the cluster has no worker; {self.patience:g} s at most")
            return now
        if now - since > self.patience:
            raise RefusedError(
                self.address,
                "workers",
                f"none for {self.patience:g} s",
                "at least one",
                f"start one in a clone: dask worker {self.address} --nthreads 1",
            )
        return since

    def _result(self, future: Future[Made]) -> Made:
        """What a job ended with."""
        if self.processes.stopped:
            return Made("failed", "stopped")
        if future.status == "cancelled":
            return Made("failed", f"the scheduler at {self.address} has gone")
        error = future.exception()
        if isinstance(error, KilledWorker):
            died, last = error.allowed_failures + 1, error.last_worker.address
            return Made(
                "failed",
                f"{died} workers died under it, the last at {last}; "
                "does it need more memory than they have?",
            )
        if error is not None:
            return Made("failed", f"{type(error).__name__}: {error}")
        made: Made = future.result()
        return made

    def _hear(self, event: tuple[float, dict[str, str]]) -> None:
        """A line from a worker."""
        told = event[1]
        if told["stage"] in self._heard:
            self._heard[told["stage"]].put(told["line"])


def _check_address(address: str) -> None:
    """Refuse an address that `Client` would give up on slowly.

    Raises:
        RefusedError: If it has no known scheme, or TLS is not set up for it.
    """
    scheme = address.partition("://")[0]
    if scheme not in {"tcp", "tls"}:
        raise RefusedError(
            "--dask",
            "address",
            address,
            "tcp://HOST:PORT or tls://HOST:PORT",
            "the scheduler prints its own when it starts",
        )
    if scheme == "tls" and not Security().get_connection_args("client")["ssl_context"]:
        raise RefusedError(
            "--dask",
            address,
            "no certificate in Dask's configuration",
            "distributed.comm.tls: ca-file, client.cert and client.key",
            "name them in ~/.config/dask or the environment; docs/cluster.md",
        )
