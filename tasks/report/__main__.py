"""Report on the study: ``python -m tasks.report``."""

import argparse
from pathlib import Path
from typing import Any

from tasks.artifacts.files import whole_folder, write_json, write_text
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.stage import run_stage
from tasks.code.blocks import checked
from tasks.report import Report
from tasks.report.engine.collect import collect
from tasks.report.engine.figures import metrics, plots, table
from tasks.report.engine.judge import rows
from tasks.report.engine.shipped import write_shipped
from tasks.statistics.rule import VerdictParams

OUT = Path("data/report")
METHOD, EVALUATION = "html", "returns"
TABLE = "table.json"


def main() -> None:
    """Collect the study, judge its variants, then write."""
    argparse.ArgumentParser(
        prog="python -m tasks.report", description=__doc__
    ).parse_args()
    params = load()
    report: Report[Any] = build(checked(params, "report", METHOD), f"report.{METHOD}")
    where = f"evaluate.{EVALUATION}"
    # as numbers: of its class the report needs nothing
    rule = VerdictParams.of(pick(params, "evaluate", EVALUATION), where)
    for name in ("plots", "ship", TABLE):
        check_place(OUT / name)
    study = collect(params)
    judged = rows(study, rule)
    numbers, all_files = metrics(study, judged), table(study, judged)
    drawn = plots(study, judged)
    page = report.page(study, judged)
    with whole_folder(OUT / "plots") as folder:
        for name, text in drawn.items():
            write_text(folder / name, text)
    with whole_folder(OUT / "ship") as folder:
        write_shipped(folder, study, judged)
    write_json(OUT / "metrics.json", numbers)
    write_json(OUT / TABLE, all_files)
    write_text(OUT / "index.html", page)
    count = len(judged) + sum(len(data.unplayed) for data in study.unplayed)
    print(f"wrote {OUT}: {count} variants, {len(page) / 1e3:.0f} kB")


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
