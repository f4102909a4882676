"""List the studies that ran here, the newest first: ``python -m flows.studies``.

A study leaves its report in ``data/experiments/<experiment>``; what it says of the file
to ship is read from the metrics beside it.
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.experiments.latencies import PAGES
from flows.experiments.worktree import PAGE
from tasks.artifacts.files import read_json
from tasks.artifacts.stage import run_stage

# DVC's own table has a column for each of 500 parameters and hashes
BESIDE = "dvc exp show --only-changed --drop '^(data|environment|params|tasks)'"
HEAD = ("when", "experiment", "ship", "score", "bytes", "report")


def studies(root: Path) -> list[tuple[str, ...]]:
    """A row a study, the newest first, with the columns of `HEAD`.

    Where nothing held, the score is that of the best learner; where there is no world,
    there is none.

    Args:
        root: The clone.

    Raises:
        RefusedError: If the metrics of a study are not whole.
    """
    pages = sorted(
        (root / PAGES).glob(f"*/{PAGE}"), key=lambda page: -page.stat().st_mtime
    )
    return [_row(page, root) for page in pages]


def _row(page: Path, root: Path) -> tuple[str, ...]:
    when = datetime.fromtimestamp(page.stat().st_mtime).astimezone()
    metrics: Mapping[str, Any] = {}
    file = page.with_name("metrics.json")
    if file.exists():
        again = f"make study, or remove {page.parent}"
        metrics = read_json(file, again, dict)
    ship, score = str(metrics.get("ship", "")), ""
    if "ship_score" in metrics:
        score = f"{metrics['ship_score']:.0f}"
    elif "best_score" in metrics:
        ship, score = f"{ship}; best {metrics['best']}", f"{metrics['best_score']:.0f}"
    elif "files" in metrics:
        ship = f"{metrics['files']} files, no world"
    if "ship_low" in metrics:
        score += f" [{metrics['ship_low']:.0f}, {metrics['ship_high']:.0f}]"
    size = f"{metrics['ship_bytes']:,.0f}" if "ship_bytes" in metrics else ""
    place = str(page.relative_to(root))
    return (f"{when:%Y-%m-%d %H:%M}", page.parent.name, ship, score, size, place)


def main() -> None:
    """Print the table, or that there is none yet."""
    rows = studies(Path.cwd())
    if not rows:
        print("no study has run here: make study NAME=...")  # noqa: T201
        return
    table = [HEAD, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEAD) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]))  # noqa: T201, a command prints
    print(f"what differs between experiments: {BESIDE}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(run_stage(main))
