"""Run another study as an experiment: ``python -m flows.study NAME [OVERRIDE...]``.

It runs in a git worktree of its own (``flows.experiments.worktree``), so the user's
files stay as they are. ``dvc exp show`` lists the experiment and ``dvc exp apply``
brings it in. Studies that differ run at the same time.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.engine.progress import SECONDS, Seconds
from flows.engine.run import alone
from flows.experiments.latencies import PAGES
from flows.experiments.plan import Study, plan, words
from flows.experiments.worktree import perform
from flows.local import run_locally
from flows.placement import open_run
from flows.server.settings import settings
from flows.server.start import api
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.stage import run_stage


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m flows.study", description=__doc__)
    options.add_argument("study", help="a file of params/study/")
    options.add_argument("overrides", nargs="*", help="e.g. train.iql.expectile=0.8")
    options.add_argument(
        "--set", default="", help="overrides in one text, quoted as in a shell"
    )
    options.add_argument(
        "--name", default="", help="of the experiment; default: a hash"
    )
    options.add_argument(
        "--workers", type=int, default=0, help="at once; default: cores"
    )
    options.add_argument("--keep", action="store_true", help="keep the worktree")
    options.add_argument("--local", action="store_true", help="without Prefect")
    return options


def main() -> None:
    """Run the study that the command line names, and print its experiment."""
    options = parser().parse_intermixed_args()
    overrides = [*options.overrides, *words(options.set)]
    # refused before a server is started
    planned = plan(Path.cwd(), options.study, overrides, options.name)
    run = study_locally if options.local else study_in_prefect
    say(run(planned, options.workers, keep=options.keep))


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201, a command prints


def study_locally(planned: Study, workers: int, *, keep: bool) -> str:
    """Run a study on plain threads.

    Args:
        planned: The study, checked.
        workers: How many stages run at once; 0 is one a core.
        keep: Whether the worktree stays after success.

    Returns:
        Which experiment there is now, and what to do with it.

    Raises:
        RefusedError: If a stage failed.
    """
    seconds = Seconds(planned.root / SECONDS)

    def graph() -> None:
        say(run_locally(workers=workers, seconds=seconds))

    return str(perform(planned, graph, keep=keep, tell=say))


def study_in_prefect(
    planned: Study, workers: int, *, keep: bool, title: str = ""
) -> str:
    """Run a study as a Prefect flow, on the server that runs or on one of its own.

    Args:
        planned: The study, checked.
        workers: How many stages run at once; 0 is one a core.
        keep: Whether the worktree stays after success.
        title: What the run is called; by default the study and its overrides.

    Returns:
        Which experiment there is now, and what to do with it.

    Raises:
        SystemExit: If the run failed, with its message of one line.
    """
    os.environ |= settings(planned.root)  # Prefect reads them when it is imported
    with api(planned.root):
        from flows.study import study

        flow = study.with_options(flow_run_name=lambda: title) if title else study
        state = flow(
            planned.name,
            planned.overrides,
            planned.experiment if planned.experiment != planned.key else "",
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
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.states import Completed, Failed  # noqa: E402

from flows.pipeline import run_stages  # noqa: E402
from flows.server.display import show_report  # noqa: E402
from flows.server.runs import title  # noqa: E402


def run_name(
    name: str, overrides: Sequence[str] = (), experiment: str = "", **_: object
) -> str:
    """What a run is called where the user types no name for it."""
    return " ".join(
        [*([f"{experiment}:"] if experiment else []), "study", name, *overrides]
    )


@flow(name="study", flow_run_name=title(run_name), validate_parameters=True)
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
    log, root = get_run_logger(), Path.cwd()
    try:
        planned = plan(root, name, overrides, experiment)

        def graph() -> None:
            with alone(log.warning):
                log.info(run_stages(open_run(), Seconds(root / SECONDS), workers))

        saved = perform(planned, graph, keep=keep, tell=log.info)
        show_report(root / PAGES / planned.experiment, root, str(saved))
    except RefusedError as error:
        return Failed(message=f"refused: {error}")
    return Completed(message=str(saved))
