"""Compare revisions: ``python -m flows.compare A B [C ...]``, the baseline first.

Writes ``index.html``, one page that needs nothing else, and ``summary.md``. A revision
is a commit, a branch, a tag, an experiment, or ``workspace``.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.revisions import FOLDER, sources
from tasks.artifacts.stage import run_stage
from tasks.compare import page as pages


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m flows.compare", description=__doc__)
    made.add_argument("revisions", nargs="+", help="the baseline, then others")
    made.add_argument("--out", type=Path, default=FOLDER, help="folder of the page")
    made.add_argument("--local", action="store_true", help="without Prefect")
    return made


def comparison(
    revisions: Sequence[str], out: Path = FOLDER
) -> tuple[pages.Outcome, Path]:
    """Compare and write, with no orchestrator.

    Args:
        revisions: The baseline first.
        out: Folder of the page.

    Returns:
        What was found, and where the page lies.
    """
    outcome = pages.compare(sources(revisions))
    return outcome, outcome.write(out)


def main() -> None:
    """See the module."""
    given = parser().parse_args()
    if given.local:
        outcome, page = comparison(given.revisions, given.out)
        say(outcome, page)
    else:
        in_prefect(given.revisions, given.out)


def say(outcome: pages.Outcome, page: Path) -> None:
    """Print the verdict and where the page lies; what is missing goes to stderr."""
    for line in outcome.missing:
        print(f"missing: {line}", file=sys.stderr)  # noqa: T201, a command prints
    print(outcome.verdict)  # noqa: T201
    print(f"comparison: {page.resolve()}")  # noqa: T201


def in_prefect(revisions: Sequence[str], out: Path) -> None:
    """Run as a flow."""
    from flows.server import api, settings

    sources(revisions)  # refused before a server is started
    root = Path.cwd()
    os.environ.update(settings(root))
    with api(root) as url:
        os.environ["PREFECT_API_URL"] = url
        from flows.compare import compare

        state = compare(list(revisions), str(out), return_state=True)
    if not state.is_completed():
        sys.exit(1)
    print(state.message)  # noqa: T201
    print(f"comparison: {(out / 'index.html').resolve()}")  # noqa: T201


if __name__ == "__main__":  # here, so that --local needs no Prefect
    sys.exit(run_stage(main))

from prefect import flow, get_run_logger  # noqa: E402
from prefect.artifacts import create_markdown_artifact  # noqa: E402
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.states import Completed, Failed  # noqa: E402

from tasks.artifacts.errors import RefusedError  # noqa: E402


@flow(name="compare", validate_parameters=True)
def compare(revisions: list[str], out: str = str(FOLDER)) -> State[None]:
    """Compare two or more revisions of this project; the first is the baseline.

    Args:
        revisions: Commits, branches, tags, experiments, or `workspace`.
        out: Folder of the page.
    """
    log = get_run_logger()
    try:
        outcome, page = comparison(revisions, Path(out))
    except RefusedError as error:
        return Failed(message=f"refused: {error}")
    for line in outcome.missing:
        log.warning("missing: %s", line)
    create_markdown_artifact(
        outcome.summary, key="comparison", description=outcome.verdict
    )
    log.info("comparison: %s", page.resolve())
    return Completed(message=outcome.verdict)
