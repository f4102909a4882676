"""What a stage shows in Prefect: its lines, a progress bar, a table, the report."""

import json
import re
from collections.abc import Sequence
from logging import Logger, LoggerAdapter
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

# a line of tasks.artifacts.progress where stderr is no terminal
PROGRESS = re.compile(
    r"^(?P<title>.+): (?P<done>\d\S*)/(?P<total>\d\S*)  (?P<words>.*)$"
)


class Shown:
    """One stage as Prefect shows it.

    Args:
        name: The stage.
        outputs: Paths it writes.
        log: Prefect's logger of its task run.

    Attributes:
        scored: Whether `completed` reads what the stage wrote.
    """

    def __init__(
        self, name: str, outputs: Sequence[Path], log: Logger | LoggerAdapter[Any]
    ) -> None:
        self.name, self.outputs, self.log = name, outputs, log
        self.key = re.sub(r"[^a-z0-9]+", "-", name.lower())
        self.scored = name.startswith("evaluate@")
        self.bar: UUID | None = None

    def line(self, text: str) -> None:
        """Log a line of its output; a line of progress moves its bar."""
        self.log.info(text)
        found = PROGRESS.fullmatch(text)
        if not found:
            return
        share = 100 * float(found["done"]) / float(found["total"])
        words = f"{found['title']} {found['done']}/{found['total']} {found['words']}"
        if self.bar is None:
            made = create_progress_artifact(share, f"{self.key}-progress", words)
            self.bar = cast("UUID", made)  # in a task without async it is no coroutine
        else:
            update_progress_artifact(self.bar, share, words)

    def completed(self) -> None:
        """Show the scores of an evaluation."""
        for path in self.outputs:
            metrics = path / "metrics.json"
            if self.scored and metrics.exists():
                table = scores(json.loads(metrics.read_text(encoding="utf-8")))
                create_table_artifact(table, self.key, f"Scores in {path}")


def scores(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """metrics.json of an evaluation as rows: all seeds together, then each."""
    who = {key: metrics[key] for key in ("dataset", "learner", "variant", "episodes")}
    score, returns = metrics["score"], metrics["return"]
    interval = f"[{score['low']:.1f}, {score['high']:.1f}]"
    together = {
        "seed": "all",
        "score": f"{score['iqm']:.1f}",
        "95 %": interval,
        "return": f"{returns['mean']:.1f}",
    }
    each = [
        {"seed": s["seed"], "score": "", "95 %": "", "return": f"{s['mean']:.1f}"}
        for s in metrics["per_seed"]
    ]
    return [who | row for row in (together, *each)]


def report(folder: Path) -> None:
    """Show what the report says, and where the page lies, if there is one."""
    metrics = folder / "metrics.json"
    if not metrics.exists():
        return
    lines = [
        f"The page: `{(folder / 'index.html').resolve()}`",
        "",
        "| dataset | policy | score | 95 % | verdict | bytes |",
        "|---|---|--:|---|---|--:|",
    ]
    for dataset, learners in json.loads(metrics.read_text(encoding="utf-8")).items():
        for learner, variants in learners.items():
            lines += [
                f"| {dataset} | {learner} / {variant} | {m['score']:.1f} "
                f"| [{m['score_low']:.1f}, {m['score_high']:.1f}] "
                f"| {m['verdict']} | {m['bytes']:,.0f} |"
                for variant, m in variants.items()
            ]
    create_markdown_artifact("\n".join(lines), "report", "Scores, verdicts and sizes")
