"""A run whose stages are made on a Dask cluster: ``python -m flows --dask ADDRESS``.

This process, the driver, judges, records and shows every stage; a worker makes it. Dask
carries a stage's description and its lines of output, DVC's remote carries the data.
"""

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from distributed import Client, Future, KilledWorker, Security

from flows.cluster.jobs import START_SCHEDULER, START_WORKER, Job, Result
from flows.cluster.ledger import Ledger
from flows.cluster.worker import work
from flows.engine.processes import log_path
from flows.engine.run import LOGS, Run, Tell
from flows.engine.schedule import Outcome
from tasks.artifacts.errors import RefusedError

ANSWER = 10  # seconds the scheduler may take to answer
PATIENCE = 300  # seconds a stage waits where the cluster has no worker
LOOK = 1  # seconds between two looks at the cluster


class Cluster(Run):
    """Brings stages up to date, each on a worker of a Dask cluster.

    Args:
        graph: The stages.
        client: A connection to the scheduler.
        address: Of the scheduler, e.g. ``tcp://127.0.0.1:8786``.
        timeout: Seconds a stage may take on its worker, or None for no limit.
        patience: Seconds a stage waits where the cluster has no worker.
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
        # lines a stage's worker has sent; None when its job has ended
        self._lines: dict[str, SimpleQueue[str | None]] = {}
        self._threads, self._asked = 0, -float("inf")
        client.subscribe_topic(self.topic, self._receive)

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
        """Connect to a cluster and read the graph in the current folder.

        Args:
            address: Of the scheduler, e.g. ``tcp://127.0.0.1:8786``.
            targets: Stages to bring up to date, with all they stand on; none are all.
            force: Whether to run stages that did not change.
            timeout: Seconds a stage may take on its worker, or None for no limit.
            patience: Seconds a stage waits where the cluster has no worker.

        Raises:
            RefusedError: If the graph has a cycle, a missing dependency or no such
                target; if no DVC remote or no scheduler answers.
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
                f"start one with: {START_SCHEDULER}",
            ) from error
        return cls(graph, client, address, timeout, patience)

    def workers(self) -> int:
        """The cluster's threads; 1 for none, so that a stage waits for a worker."""
        return max(self.threads(), 1)

    def threads(self) -> int:
        """How many threads the cluster's workers have, as of at most a second ago."""
        if time.monotonic() - self._asked > LOOK:
            self._asked = time.monotonic()
            with suppress(OSError, RuntimeError):  # it has gone: the stages will tell
                workers = self.client.scheduler_info()["workers"].values()
                self._threads = sum(worker["nthreads"] for worker in workers)
        return self._threads

    def stop(self) -> None:
        """End what still runs, here and on the workers, and leave the cluster."""
        super().stop()
        self.client.close()

    def fetch(self, name: str) -> None:
        """Fetch a stage's outputs into this folder, unless something is in the way."""
        with suppress(RefusedError):
            self.graph.fetch(name)

    def note(self) -> str:
        """How many outputs lie in the remote alone; empty if none does."""
        absent = self.graph.absent()
        return (
            f"; {absent} outputs are in the remote alone, dvc pull fetches them"
            if absent
            else ""
        )

    def _stage(self, name: str, tell: Tell) -> Outcome:
        """Have a stage made: by a worker if the remote will have all of its outputs."""
        if self.graph.is_up_to_date(name):
            return Outcome("cached", "unchanged")
        if self.graph.runs_here(name):
            self.graph.bring(name)
            return super()._stage(name, tell)
        job = replace(self.graph.job(name), timeout=self.timeout, topic=self.topic)
        result = self._submit(job, tell)
        if result.entry:
            self.graph.accept(job, result)
        return Outcome(result.state, result.message, result.seconds)

    def _submit(self, job: Job, tell: Tell) -> Result:
        """Have a job done by a worker, passing on the lines it sends meanwhile."""
        lines = self._lines[job.stage] = SimpleQueue()
        path = log_path(LOGS, job.stage)
        path.parent.mkdir(parents=True, exist_ok=True)
        future = self.client.submit(
            work, job, key=f"{job.stage}-{self.topic}", pure=False
        )
        future.add_done_callback(lambda _: lines.put(None))
        alone_since: float | None = None  # when the cluster lost its last worker
        with path.open("w", encoding="utf-8") as log:
            while not self.processes.stopped:
                try:
                    line = lines.get(timeout=LOOK)
                except Empty:
                    alone_since = self._await_worker(alone_since, tell)
                    continue
                if line is None:
                    break
                log.write(f"{line}\n")
                log.flush()
                tell(line)
        return self._result(future)

    def _await_worker(self, since: float | None, tell: Tell) -> float | None:
        """Look whether the cluster has a worker.

        Args:
            since: When it was found to have none, in seconds, or None.
            tell: Called with a line when it is found to have none.

        Returns:
            Since when it has had none, in seconds; None if it has one.

        Raises:
            RefusedError: If it has had none for longer than the patience.
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
                f"start one in a clone: {self._start_worker()}",
            )
        return since

    def _start_worker(self) -> str:
        """The command that starts a worker; on loopback where the scheduler is."""
        loopback = urlsplit(self.address).hostname in ("127.0.0.1", "localhost")
        host = "127.0.0.1" if loopback else "HOST"
        return START_WORKER.format(address=self.address, host=host)

    def _result(self, future: Future[Result]) -> Result:
        """What a job ended with, in words if the cluster lost it."""
        if self.processes.stopped:
            return Result("failed", "stopped")
        if future.status == "cancelled":
            return Result("failed", f"the scheduler at {self.address} has gone")
        error = future.exception()
        if isinstance(error, KilledWorker):
            died, last = error.allowed_failures + 1, error.last_worker.address
            return Result(
                "failed",
                f"{died} workers died under it, the last at {last}; "
                "does it need more memory than they have?",
            )
        if error is not None:
            return Result("failed", f"{type(error).__name__}: {error}")
        result: Result = future.result()
        return result

    def _receive(self, event: tuple[float, dict[str, str]]) -> None:
        """Take a line that a worker sent; called by Dask."""
        stage, line = event[1]["stage"], event[1]["line"]
        if stage in self._lines:
            self._lines[stage].put(line)


def _check_address(address: str) -> None:
    """Refuse an address that Dask would give up on only after a while.

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
