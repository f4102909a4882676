"""Run another study as an experiment: ``python -m flows.study NAME [OVERRIDE...]``.

It runs beside the user's files (``flows.worktree``); ``dvc exp show`` lists what comes
of it and ``dvc exp apply`` brings it in. Studies that differ run at the same time.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import flows.__main__ as plain
from flows.server import api, settings
from flows.worktree import Study, perform, plan
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.stage import run_stage

RAN = "the run: stages: found "  # how a failed run's refusal begins


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m flows.study", description=__doc__)
    made.add_argument("study", help="a file of params/study/")
    made.add_argument("overrides", nargs="*", help="e.g. train.iql.expectile=0.8")
    made.add_argument("--name", default="", help="of the experiment; default: a hash")
    made.add_argument("--workers", type=int, default=0, help="at once; default: cores")
    made.add_argument("--keep", action="store_true", help="keep the worktree")
    made.add_argument("--local", action="store_true", help="without Prefect")
    return made


def main() -> None:
    """See the module."""
    given = parser().parse_intermixed_args()
    # refused before a server is started
    planned = plan(Path.cwd(), given.study, given.overrides, given.name)
    run = local if given.local else seen
    say(run(planned, given.workers, keep=given.keep))


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201, a command prints


def local(planned: Study, workers: int, *, keep: bool) -> str:
    """Run on plain threads.

    Returns:
        What there is now.

    Raises:
        RefusedError: If a stage failed.
    """
    graph = plain.parser().parse_args(["--local", "--workers", str(workers)])
    run = perform(planned, lambda: say(plain.local(graph)), keep=keep, tell=say)
    return str(run)


def seen(planned: Study, workers: int, *, keep: bool) -> str:
    """Run as a Prefect flow, on a server that is there or for the while.

    Returns:
        What there is now; the process ends with code 1 if there is nothing.
    """
    os.environ |= settings(planned.root)  # Prefect reads them when it is imported
    with api(planned.root):
        from flows.study import study

        state = study(
            planned.name,
            planned.overrides,
            planned.experiment,
            workers,
            keep,
            return_state=True,
        )
    if not state.is_completed():
        sys.exit(str(state.message))  # one line, as of a refusal
    return str(state.message)


if __name__ == "__main__":  # here, so that --local needs no Prefect
    sys.exit(run_stage(main))

from prefect import flow, get_run_logger  # noqa: E402
from prefect.artifacts import create_markdown_artifact  # noqa: E402
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.states import Completed, Failed  # noqa: E402

from flows.pipeline import pipeline  # noqa: E402


@flow(name="study", flow_run_name="study {name}", validate_parameters=True)
def study(
    name: str = "quickstart",
    overrides: Sequence[str] = (),
    experiment: str = "",
    workers: int = 0,
    keep: bool = False,
) -> State[None]:
    """Run another study as a DVC experiment; the user's files stay as they are.

    Args:
        name: A file of params/study/.
        overrides: In Hydra's grammar, e.g. `train.iql.expectile=0.8`.
        experiment: Its name; by default the study's with a hash.
        workers: How many stages run at once; 0 is one a core.
        keep: Whether the worktree stays after success.
    """
    log = get_run_logger()
    try:
        planned = plan(Path.cwd(), name, overrides, experiment)

        def graph() -> None:
            named = pipeline.with_options(flow_run_name=planned.experiment)
            state = named(workers=workers, return_state=True)
            if not state.is_completed():
                said = str(state.message or state.name).removeprefix(RAN)
                found, _, rest = said.partition(", expected ")
                expected = rest.partition(";")[0] or "all to end well"
                raise RefusedError("the run", "stages", found, expected, "run it again")

        saved = perform(planned, graph, keep=keep, tell=log.info)
    except RefusedError as error:
        return Failed(message=f"refused: {error}")
    create_markdown_artifact(
        f"```\n{saved}\n```", key="study", description=planned.experiment
    )
    return Completed(message=str(saved))
