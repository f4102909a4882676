"""Make what a claim looks at: ``python -m tasks.beds --bed NAME``.

Writes ``data/beds/NAME/results.json``: the bed's parameters, and name, settings and
result of each job.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from tasks.artifacts.files import whole_folder
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.beds import Bed, BedParams
from tasks.beds.engine.jobs import run_jobs
from tasks.code.blocks import checked

OUT = Path("data/beds")
SCHEMA = 1


def main() -> None:
    """Run the jobs that are left, then write the results whole."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add_name(parser, "--bed", required=True, help="a block of bed in params.yaml")
    name = parser.parse_args().bed
    bed: Bed[BedParams] = build(checked(load(), "bed", name), f"bed.{name}")
    check_place(OUT / name)
    results = {
        "schema": SCHEMA,
        "bed": name,
        "parameters": asdict(bed.params),
        "jobs": run_jobs(name, bed),
    }
    with whole_folder(OUT / name) as folder:
        write_sealed(folder / "results.json", results)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
