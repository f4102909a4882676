"""The graph on plain threads, without Prefect: what ``--local`` does."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from flows.engine import schedule
from flows.engine.progress import SECONDS, Seconds, Watch, told
from flows.engine.run import alone, conclude
from flows.placement import open_run
from tasks.artifacts.progress import Progress


def run_locally(
    targets: Sequence[str] = (),
    *,
    workers: int = 0,
    keep_going: bool = False,
    force: bool = False,
    timeout: float | None = None,
    dask: str | None = None,
    seconds: Seconds | None = None,
) -> str:
    """Bring the stages of the current folder up to date; prints what they say.

    Args:
        targets: Stages with all they stand on, as in ``dvc repro TARGET``; none are
            all.
        workers: How many run at once; 0 is one a core of this machine, or one a thread
            of the cluster.
        keep_going: After a failure, still run what does not stand on the failed stage.
        force: Whether to run stages that did not change.
        timeout: Seconds a stage may take, or None for no limit.
        dask: Address of a Dask scheduler, or None for this machine.
        seconds: How long stages took before; None is what this folder knows.

    Returns:
        How the stages ended, in a line.

    Raises:
        RefusedError: If the graph or the cluster is refused, or a stage failed.
    """
    printing = threading.Lock()

    def tell(line: str) -> None:
        with printing:
            print(line, flush=True)  # noqa: T201, what a command prints

    with alone(tell):
        run = open_run(targets, force=force, timeout=timeout, dask=dask)
        watch = Watch(run, seconds or Seconds(SECONDS), workers)

        def stage(name: str) -> None:
            def line(text: str) -> None:
                if not (bar.live and told(text)):  # the bar has it
                    tell(f"{name}: {text}")

            outcome = watch.stage(name, line)
            tell(f"{name}: {outcome.state}, {outcome.message}")

        names = run.graph.names
        with (
            ThreadPoolExecutor(len(names) or 1) as pool,
            Progress("run", len(names)) as bar,
        ):
            try:
                outcomes = schedule.run(
                    run.graph.parents,
                    lambda name: pool.submit(stage, name),
                    run.outcomes,
                    workers=workers or run.workers,
                    keep_going=keep_going,
                    look=lambda: watch.show(bar),
                )
            finally:
                run.stop()
    return conclude(outcomes) + run.note()
