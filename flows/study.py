"""Run another study as an experiment: ``python -m flows.study NAME [OVERRIDE...]``.

It runs beside the user's files (``flows.worktree``); ``dvc exp show`` lists what comes
of it and ``dvc exp apply`` brings it in. Studies that differ run at the same time.
"""

import argparse
import os
import sys
from pathlib import Path

from flows.experiment import Saved
from flows.worktree import perform, plan
from tasks.artifacts.stage import run_stage


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


def told(saved: Saved) -> str:
    """What there is now, and what to do with it."""
    return (
        f"experiment {saved.name}: {saved.how}; see it with: dvc exp show, bring it "
        f"in with: dvc exp apply {saved.name}"
    )


def main() -> None:
    """See the module."""
    arguments = parser().parse_args()
    given = (arguments.study, arguments.overrides, arguments.name)
    planned = plan(Path.cwd(), *given)  # refused before a server is started
    if arguments.local:
        graph = ["--local", "--workers", str(arguments.workers)]
        saved = perform(
            planned,
            lambda: flows.__main__.local(flows.__main__.parser().parse_args(graph)),
            keep=arguments.keep,
            tell=print,
        )
        print(told(saved))
