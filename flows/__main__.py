"""Run the graph of dvc.yaml in parallel: ``python -m flows [TARGET...]``.

The same as ``dvc repro [TARGET...]``, and the same dvc.lock afterwards.
"""

import argparse
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flows import schedule
from flows.run import alone, ended, opened
from flows.server import api, settings
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


def local(arguments: argparse.Namespace) -> str:
    """Run on plain threads.

    Returns:
        How the stages ended, in a line.

    Raises:
        RefusedError: If a stage failed.
    """
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
    return ended(outcomes) + run.note()


def seen(arguments: argparse.Namespace) -> str:
    """Run as a Prefect flow, on a server that is there or for the while.

    Returns, raises:
        See `local`.
    """
    root = Path().resolve()
    os.environ |= settings(root)  # Prefect reads them when it is imported
    with api(root):
        from httpx import TransportError

        from flows.pipeline import pipeline

        try:
            state = pipeline(
                arguments.targets,
                arguments.workers,
                arguments.keep_going,
                arguments.force,
                arguments.timeout,
                arguments.dask,
                return_state=True,
            )
        except TransportError as error:
            raise RefusedError(
                "Prefect",
                "server",
                f"no answer any more ({error})",
                "one that lives as long as the run",
                "what ended is recorded in dvc.lock; run again for the rest",
            ) from None
    if not state.is_completed():
        raise RefusedError(
            "the run",
            "state",
            f"{state.name}: {state.message}",
            "Completed",
            "the stages' logs lie in .offcut/logs; mend the cause and run again",
        )
    return f"{state.message}; `make ui` shows this run and all before it"


def main() -> None:
    """See the module."""
    arguments = parser().parse_args()
    print(local(arguments) if arguments.local else seen(arguments))


if __name__ == "__main__":
    sys.exit(run_stage(main))
