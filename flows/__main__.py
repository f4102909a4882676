"""Run the graph of dvc.yaml in parallel: ``python -m flows [TARGET...]``.

The same as ``dvc repro [TARGET...]``, and the same dvc.lock afterwards.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.stage import run_stage


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m flows", description=__doc__)
    options.add_argument(
        "targets", nargs="*", help="stages, as in dvc repro; default all"
    )
    options.add_argument(
        "--workers", type=int, default=0, help="at once; default: cores"
    )
    options.add_argument(
        "--keep-going", action="store_true", help="after a failure, run the rest"
    )
    options.add_argument(
        "--force", action="store_true", help="run unchanged stages too"
    )
    options.add_argument("--timeout", type=float, help="seconds a stage may take")
    options.add_argument(
        "--dask", metavar="ADDRESS", help="on a cluster: tcp://HOST:8786"
    )
    options.add_argument("--local", action="store_true", help="without Prefect")
    return options


def run_in_prefect(targets: Sequence[str] = (), **options: Any) -> str:
    """Run as a Prefect flow, on the server that runs or on one of its own.

    Args:
        targets: Stages with all they stand on, as in ``dvc repro TARGET``; none are
            all.
        **options: As of `flows.local.run_locally`.

    Returns:
        How the stages ended, in a line.

    Raises:
        RefusedError: If a stage failed, or the server ended before the run.
    """
    from flows.server.settings import settings
    from flows.server.start import api

    root = Path().resolve()
    os.environ |= settings(root)  # Prefect reads them when it is imported
    with api(root):
        from httpx import TransportError

        from flows.pipeline import pipeline

        try:
            state = pipeline(list(targets), **options, return_state=True)
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
    """Run what the command line names, and print how it ended.

    What takes long to import is imported here, where Ctrl-C ends with a word.
    """
    from flows.engine.refusals import check_project
    from flows.local import run_locally

    options = vars(parser().parse_args())
    check_project()  # before a server is started
    run = run_locally if options.pop("local") else run_in_prefect
    print(run(options.pop("targets"), **options))


if __name__ == "__main__":
    sys.exit(run_stage(main))
