"""Where the stages of a run are made: on this machine, or on a Dask cluster."""

from collections.abc import Sequence

from flows.engine.graph import Graph
from flows.engine.refusals import check_project
from flows.engine.run import Run
from tasks.artifacts.errors import RefusedError


def open_run(
    targets: Sequence[str] = (),
    *,
    force: bool = False,
    timeout: float | None = None,
    dask: str | None = None,
) -> Run:
    """Prepare a run of the graph in the current folder; nothing starts yet.

    Args:
        targets: Stages to bring up to date, with all they stand on; names, groups or
            files as in ``dvc repro TARGET``. None are all.
        force: Whether to run stages that did not change.
        timeout: Seconds a stage may take, or None for no limit.
        dask: Address of a Dask scheduler, or None for this machine.

    Returns:
        The run; on a cluster a `flows.cluster.driver.Cluster`.

    Raises:
        RefusedError: If dvc.lock is not whole; if dvc.yaml is missing, or has a cycle,
            a missing dependency, no stage or no such target; if an output may be the
            user's own; of a cluster also if the extra ``dask`` is not installed, the
            scheduler does not answer, or no DVC remote does.
    """
    check_project()
    if dask is None:
        return Run(Graph(targets, force=force), timeout)
    try:
        from flows.cluster.driver import Cluster
    except ModuleNotFoundError as error:
        raise RefusedError(
            "--dask",
            "packages",
            f"no {error.name}",
            "the extra dask",
            "run: pip install -e '.[dask]'",
        ) from error
    return Cluster.open(dask, targets, force=force, timeout=timeout)
