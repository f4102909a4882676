"""The graph of dvc.yaml as a Prefect flow: one task run a stage.

Prefect shows, schedules and cancels; DVC alone judges what is up to date, so no Prefect
cache is used and no result is kept.
"""

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, Failed

from flows.engine import schedule
from flows.engine.progress import SECONDS, Seconds, Watch
from flows.engine.run import Run, alone, conclude
from flows.placement import open_run
from flows.server import display
from flows.server.runs import displayed, title
from flows.server.stale_runs import late
from tasks.artifacts.errors import RefusedError


def run_name(targets: list[str] | None = None, **_: object) -> str:
    """What a run is called where the user types no name."""
    return " ".join(["pipeline", *(targets or ())])


@flow(name="pipeline", flow_run_name=title(run_name), validate_parameters=True)
def pipeline(
    targets: list[str] | None = None,
    workers: int = 0,
    keep_going: bool = False,
    force: bool = False,
    timeout: float | None = None,
    dask: str | None = None,
) -> State[None]:
    """Bring the stages of this folder up to date, independent ones at once.

    Args:
        targets: Stages with all they stand on, as in `dvc repro TARGET`; none are all.
        workers: How many run at once; 0 is one a core.
        keep_going: After a failure, still run what does not stand on the failed stage.
        force: Whether to run stages that did not change.
        timeout: Seconds a stage may take.
        dask: Address of a Dask scheduler, tcp://HOST:8786; none is this machine.
    """
    if why := late():
        return Cancelled(message=why)
    with alone(get_run_logger().warning):
        try:
            run = open_run(targets or (), force=force, timeout=timeout, dask=dask)
            said = run_stages(run, Seconds(SECONDS), workers, keep_going=keep_going)
            display.show_report(Path("data/report"), Path.cwd())
        except RefusedError as error:
            return Failed(message=str(error))
    return Completed(message=said)


def run_stages(
    run: Run, seconds: Seconds, workers: int, *, keep_going: bool = False
) -> str:
    """Run the graph within the present flow run, with one task run a stage.

    Args:
        run: The run of the graph; this process holds the folder's lock.
        seconds: How long stages took before.
        workers: How many stages run at once; 0 is what the run says.
        keep_going: After a failure, still run what does not stand on the failed stage.

    Returns:
        How the stages ended, in a line.

    Raises:
        RefusedError: If a stage failed.
    """
    graph, watch = run.graph, Watch(run, seconds, workers)

    @task(name="stage", task_run_name="{name}", cache_policy=NO_CACHE)
    def stage(name: str) -> State[None]:
        view = display.StageDisplay(name, graph.outputs(name), get_run_logger())
        outcome = watch.stage(name, view.line)
        if outcome.state == "cached":
            return Completed(name="Cached", message=outcome.message)
        if outcome.state == "failed":
            return Failed(message=outcome.message)
        if view.scored:
            run.fetch(name)
        view.show_scores()
        return Completed(message=outcome.message)

    futures: dict[str, PrefectFuture[State[None]]] = {}

    def start(name: str) -> PrefectFuture[State[None]]:
        # they have ended; waiting for them draws the edges of the run's graph
        before = [futures[parent] for parent in sorted(graph.parents[name])]
        futures[name] = stage.submit(name, wait_for=before, return_state=False)
        return futures[name]

    with displayed(watch) as shown:
        try:
            outcomes = schedule.run(
                graph.parents,
                start,
                run.outcomes,
                workers=workers or run.workers,
                keep_going=keep_going,
                look=shown.look,
            )
        finally:
            run.stop()
        shown.show()
    return conclude(outcomes) + run.note()
