"""What Prefect's pages show of a run: lines, progress, tables of scores, the report.

Prefect calls such a table or bar an artifact; Offcut's artifacts are files of stages.
"""

import re
from collections.abc import Sequence
from logging import Logger, LoggerAdapter
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.engine.progress import told
from flows.server.pages import address
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.artifacts.formats import Evaluation, Number, Size
from tasks.artifacts.typed_json import read_typed


class Shown(TypedDict):
    """A row of the report's table.json; what was scored on the way has no verdict."""

    score: Number
    score_low: Number
    score_high: Number
    bytes: NotRequired[Size]
    verdict: NotRequired[str]


Report = dict[str, dict[str, dict[str, Shown]]]  # by dataset, learner, variant


class StageDisplay:
    """One stage as Prefect's pages show it.

    Args:
        name: The stage, e.g. ``evaluate@0``.
        outputs: Paths it writes.
        log: Prefect's logger of its task run.

    Attributes:
        scored: Whether it is an evaluation, whose scores `show_scores` reads.
    """

    def __init__(
        self, name: str, outputs: Sequence[Path], log: Logger | LoggerAdapter[Any]
    ) -> None:
        self.name, self.outputs, self.log = name, outputs, log
        self.key = re.sub(r"[^a-z0-9]+", "-", name.lower())
        self.scored = name.startswith("evaluate@")
        self.bar: UUID | None = None

    def line(self, text: str) -> None:
        """Log a line of the stage's output; a line of progress also moves its bar."""
        self.log.info(text)
        found = told(text)
        if not found:
            return
        percent = 100 * found.share
        if self.bar is None:
            bar = create_progress_artifact(percent, f"{self.key}-progress", found.words)
            self.bar = cast("UUID", bar)  # in a task without async it is no coroutine
        else:
            update_progress_artifact(self.bar, percent, found.words)

    def show_scores(self) -> None:
        """Show a table of scores, if the stage was an evaluation and wrote them."""
        for path in self.outputs:
            metrics = path / "metrics.json"
            if self.scored and metrics.exists():
                table = score_rows(read_typed(metrics, self.name, Evaluation))
                create_table_artifact(table, self.key, f"Scores in {path}")


def score_rows(metrics: Evaluation) -> list[dict[str, Any]]:
    """The rows of a table of scores.

    Args:
        metrics: metrics.json of an evaluation.

    Returns:
        A row of all training seeds together, then one of each; values are text with
        one decimal.
    """
    policy: dict[str, Any] = {
        "dataset": metrics["dataset"],
        "learner": metrics["learner"],
        "variant": metrics["variant"],
        "episodes": metrics["episodes"],
    }
    score, returns = metrics["score"], metrics["return"]
    interval = f"[{score['low']:.1f}, {score['high']:.1f}]"
    all_seeds: dict[str, Any] = {
        "seed": "all",
        "score": f"{score['iqm']:.1f}",
        "95 %": interval,
        "return": f"{returns['mean']:.1f}",
    }
    each_seed: list[dict[str, Any]] = [
        {"seed": s["seed"], "score": "", "95 %": "", "return": f"{s['mean']:.1f}"}
        for s in metrics["per_seed"]
    ]
    return [policy | row for row in (all_seeds, *each_seed)]


def show_page(page: Path, root: Path, key: str, text: str, words: str) -> None:
    """Show a page of the project: a link to it, where it lies, what it says.

    Args:
        page: The file.
        root: The project, absolute.
        key: Of the artifact.
        text: What it says, in Markdown.
        words: What it is, in a line.
    """
    link = address(page, root)
    open_it = f"[Open the page]({link}), which is the file " if link else "The page: "
    lines = [f"{open_it}`{page.resolve()}`", "", text]
    create_markdown_artifact("\n".join(lines), key, words)


def show_report(folder: Path, root: Path, note: str = "") -> None:
    """Show the report: a link to its page, the file to ship and the scores.

    Args:
        folder: Where a report lies; nothing is shown if there is none.
        root: The project, absolute.
        note: What else to say of the run.
    """
    page, table = folder / "index.html", folder / "table.json"
    if not (page.exists() or table.exists()):
        return
    ship = headline(folder / "metrics.json")
    lines = [*([f"**{ship}**", ""] if ship else []), *([note, ""] if note else [])]
    lines += score_lines(table) if table.exists() else []
    show_page(page, root, "report", "\n".join(lines), ship or "The report")


def headline(path: Path) -> str:
    """Which file to ship and what it scores; empty if the report does not say.

    Args:
        path: The report's metrics.json.
    """
    try:
        known: dict[str, Any] = read_json(path, "make report", dict)
        if "ship_score" not in known:
            best = f"{known['best']} scores {known['best_score']:.1f}"
            return f"No compressed variant held; {best}"
        words = f"Ship {known['ship']}: score {known['ship_score']:.1f}"
        if "ship_low" in known:
            words += f" [{known['ship_low']:.1f}, {known['ship_high']:.1f}]"
        return f"{words}, {known['ship_bytes']:,.0f} bytes"
    except (RefusedError, KeyError, TypeError, ValueError):
        return ""


def score_lines(table: Path) -> list[str]:
    """The report's table of scores, in Markdown.

    Args:
        table: The report's table.json.
    """
    lines = [
        "| dataset | policy | score | 95 % | verdict | bytes |",
        "|---|---|--:|---|---|--:|",
    ]
    shown = read_typed(table, "python -m tasks.report", Report, seal=False)
    for dataset, learners in shown.items():
        for learner, variants in learners.items():
            lines += [
                f"| {dataset} | {learner} / {variant} | {m['score']:.1f} "
                f"| [{m['score_low']:.1f}, {m['score_high']:.1f}] "
                f"| {m['verdict']} | {m['bytes']:,.0f} |"
                for variant, m in variants.items()
                if "verdict" in m and "bytes" in m
            ]
    return lines
