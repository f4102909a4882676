"""Compare revisions, and write the page and the summary."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_writable, write_text
from tasks.compare import Source
from tasks.compare.content import BATCHES, Content, content
from tasks.compare.headline import change, named
from tasks.compare.markdown import summary, warnings
from tasks.compare.pair import rules, versus
from tasks.compare.revision import collect
from tasks.report.cores.pictures import symbol
from tasks.report.cores.svg import COLOURS
from tasks.report.cores.template import page_environment

HASH = re.compile(r"[0-9a-f]{32,}(\.dir)?")
DIGITS, LONG = 16, 120  # of a hash, of a text; the whole is shown on hover


@dataclass(frozen=True)
class Outcome:
    """A comparison.

    Attributes:
        page: The whole page.
        summary: Markdown.
        verdict: One sentence a revision, a line each.
        missing: What could not be read, with the command that makes it, a line each.
        warnings: Revisions whose results are not their own, a line each.
    """

    page: str
    summary: str
    verdict: str
    missing: tuple[str, ...]
    warnings: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Write ``index.html`` and ``summary.md``; the page's path."""
        check_writable(folder)
        write_text(folder / "summary.md", self.summary)
        write_text(folder / "index.html", self.page)
        return folder / "index.html"


def compare(sources: Sequence[Source]) -> Outcome:
    """Compare revisions.

    Args:
        sources: The baseline first.

    Raises:
        RefusedError: If there are fewer than two, or one holds no study.
    """
    if len(sources) < 2:
        raise RefusedError(
            "revisions",
            "count",
            len(sources),
            "at least two, the baseline first",
            "name another, e.g. workspace",
        )
    revisions = [collect(source) for source in sources]
    params = rules(revisions[0])
    others = [versus(revisions[0], revision, params) for revision in revisions[1:]]
    shown = content(revisions, others, params.confidence)
    return Outcome(
        page=render(shown),
        summary=summary(shown),
        verdict="\n".join(headline.sentence for headline in shown.headlines),
        missing=tuple(
            f"{revision.name}: {gap.path}: {gap.why}; {gap.command}"
            for revision in revisions
            for gap in revision.lacks
        ),
        warnings=tuple(warnings(shown)),
    )


def render(shown: Content) -> str:
    """The page's text."""
    environment = page_environment("tasks.compare")
    environment.globals |= {
        "symbol": lambda number: symbol(number % COLOURS, 0),
        "letter": letter,
        "brief": brief,
        "change": change,
        "called": lambda key: named(key, shown.alone),
    }
    return environment.get_template("compare.html.jinja").render(
        v=shown, revisions=shown.revisions, batches=BATCHES
    )


def brief(value: str) -> str:
    """The first digits of a hash, the beginning of a long text."""
    if HASH.fullmatch(value):
        return value[:DIGITS]
    return value if len(value) <= LONG else f"{value[: LONG - 1]}…"


def letter(number: int) -> str:
    """A, B ... Z, AA, AB ..."""
    first, last = divmod(number, 26)
    return (letter(first - 1) if first else "") + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[last]
