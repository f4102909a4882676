"""Compare revisions: ``python -m flows.compare A B [C ...]``, the baseline first.

Writes ``index.html``, one page that needs nothing else, and ``summary.md``. A revision
is a commit, a branch, a tag, an experiment, or ``workspace``. Where a Prefect server of
the project runs, the comparison is a run there; none is started for it.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.local import run_locally
from flows.revisions.layout import FOLDER, sources
from flows.revisions.made_here import make_here
from flows.server.settings import settings
from flows.server.start import api, running
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.stage import run_stage
from tasks.compare import page as pages


def parser() -> argparse.ArgumentParser:
    """The command line."""
    options = argparse.ArgumentParser(
        prog="python -m flows.compare", description=__doc__
    )
    options.add_argument("revisions", nargs="+", help="the baseline, then others")
    options.add_argument("--out", type=Path, default=FOLDER, help="folder of the page")
    options.add_argument(
        "--local", action="store_true", help="without Prefect, even if a server runs"
    )
    options.add_argument(
        "--here", action="store_true", help="first make the results a revision lacks"
    )
    return options


def comparison(
    revisions: Sequence[str], out: Path = FOLDER
) -> tuple[pages.Outcome, Path]:
    """Compare revisions and write the page, without Prefect.

    Args:
        revisions: The baseline first, then others.
        out: Folder of the page.

    Returns:
        The comparison, and the path of its page.

    Raises:
        RefusedError: If a revision is not known or holds no study.
    """
    outcome = pages.compare(sources(revisions))
    return outcome, outcome.write(out)


def main() -> None:
    """Compare what the command line names: in Prefect where a server runs."""
    options = parser().parse_args()
    root = Path.cwd()
    if options.here:
        lacking = sources(options.revisions)
        make_here(root, lacking, lambda: tell(run_locally()), tell)
    served = os.environ.get("PREFECT_API_URL") or (not options.local and running(root))
    if served and not options.local:
        compare_in_prefect(options.revisions, options.out, root)
    else:
        outcome, page = comparison(options.revisions, options.out)
        for line in notes(outcome):
            tell(line)
        say(outcome.verdict, page)


def tell(line: str) -> None:
    """Print a line beside the answer, at once."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201, a command prints


def notes(outcome: pages.Outcome) -> list[str]:
    """What a reader of the verdict must know: missing outputs, and warnings."""
    missing = [f"missing: {line}" for line in outcome.missing]
    return [*missing, *(f"warning: {line}" for line in outcome.warnings)]


def say(verdict: str, page: Path) -> None:
    """Print the verdict and where the page lies.

    Args:
        verdict: One line.
        page: The page's path.
    """
    print(f"{verdict}\ncomparison: {page.resolve()}")  # noqa: T201, a command prints


def compare_in_prefect(revisions: Sequence[str], out: Path, root: Path) -> None:
    """Compare as a Prefect flow, on the server that runs, and print the verdict.

    Args:
        revisions: The baseline first, then others.
        out: Folder of the page.
        root: The project, absolute.

    Raises:
        RefusedError: If a revision is refused, or the run does not complete.
    """
    sources(revisions)  # refused before Prefect is imported
    os.environ |= settings(root)  # Prefect reads them when it is imported
    with api(root):
        from flows.compare import compare

        state = compare(list(revisions), str(out), return_state=True)
    if not state.is_completed():
        raise RefusedError(
            "the run",
            "state",
            f"{state.name}: {state.message}",
            "Completed",
            "compare without Prefect: add --local",
        )
    say(str(state.message), out / "index.html")


if __name__ == "__main__":  # here, so that --local needs no Prefect
    sys.exit(run_stage(main))

from prefect import flow, get_run_logger  # noqa: E402
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.states import Completed, Failed  # noqa: E402

from flows.server.display import show_page  # noqa: E402
from flows.server.runs import title  # noqa: E402


def run_name(revisions: list[str], **_: object) -> str:
    """What a run is called where the user types no name for it."""
    return " ".join(["compare", *revisions])


@flow(name="compare", flow_run_name=title(run_name), validate_parameters=True)
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
    for line in notes(outcome):
        log.warning(line)
    show_page(page, Path.cwd(), "comparison", outcome.summary, outcome.verdict)
    log.info("comparison: %s", page.resolve())
    return Completed(message=outcome.verdict)
