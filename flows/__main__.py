"""Run the graph of dvc.yaml in parallel: ``python -m flows [TARGET...]``.

The same as ``dvc repro [TARGET...]``, and the same dvc.lock afterwards.
"""

import argparse
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from flows import schedule
from flows.run import alone, opened
from flows.schedule import Outcome
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.stage import run_stage


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m flows", description=__doc__)
    made.add_argument("targets", nargs="*", help="stages, as in dvc repro; default all")
    made.add_argument("--workers", type=int, default=0, help="at once; default: cores")
    made.add_argument(
        "--keep-going", action="store_true", help="after a failure, run the rest"
    )
    made.add_argument("--force", action="store_true", help="run unchanged stages too")
    made.add_argument("--timeout", type=float, help="seconds a stage may take")
    made.add_argument("--dask", metavar="ADDRESS", help="on a cluster: tcp://HOST:8786")
    made.add_argument("--local", action="store_true", help="without Prefect")
    return made


def local(arguments: argparse.Namespace) -> None:
    """Run on plain threads."""
    said = threading.Lock()

    def tell(line: str) -> None:
        with said:
            print(line, flush=True)

    with alone(tell):
        run = opened(
            arguments.targets,
            force=arguments.force,
            timeout=arguments.timeout,
            dask=arguments.dask,
        )

        def stage(name: str) -> None:
            outcome = run.stage(name, lambda line: tell(f"{name}: {line}"))
            tell(f"{name}: {outcome.state}, {outcome.message}")

        with ThreadPoolExecutor(len(run.graph.names) or 1) as pool:
            try:
                outcomes = schedule.run(
                    run.graph.parents,
                    lambda name: pool.submit(stage, name),
                    run.outcomes,
                    workers=arguments.workers or run.workers,
                    keep_going=arguments.keep_going,
                )
            finally:
                run.stop()
    finish(outcomes)
    if note := run.note():
        print(note)


def finish(outcomes: Mapping[str, Outcome]) -> None:
    """Say how the run ended.

    Raises:
        RefusedError: If a stage failed.
    """
    failed = [name for name, o in outcomes.items() if o.state == "failed"]
    if failed:
        raise RefusedError(
            "dvc.yaml",
            "stages",
            f"{len(failed)} that failed: {', '.join(failed)}",
            schedule.tally(outcomes),
            "their logs lie in .offcut/logs; mend the cause and run again",
        )
    print(schedule.tally(outcomes))


def main() -> None:
    """See the module."""
    arguments = parser().parse_args()
    if arguments.local:
        local(arguments)


if __name__ == "__main__":
    sys.exit(run_stage(main))
