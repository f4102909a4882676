"""Measure a dataset: ``python -m tasks.measure --dataset D``.

Writes ``data/qdc/<D>/metrics.json`` and, only if the figures pass the thresholds of
params, the file that training may wait for, ``data/gates/<study>/<D>.json``.
``--corpus FILE ...`` measures records of text side by side and writes
``FILE.qdc.json``; ``--reference D`` prints the line of params by which a world's
observations are standardised.
"""

import argparse
from pathlib import Path

from tasks.artifacts.files import whole_folder, write_json
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.artifacts.study import stated
from tasks.code.blocks import checked
from tasks.measure.qdc_metrics import QdcMetrics, reference_line
from tasks.measure.qdc_metrics.corpora import measure_files
from tasks.measure.qdc_metrics.sample import Source

METHOD = "qdc_metrics"
OUT, GATES = Path("data/qdc"), Path("data/gates")


def main() -> None:
    """Measure a dataset, or run one of the two other commands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    add_name(which, "--dataset", help="of study.measured")
    add_name(which, "--reference", metavar="DATASET", help="print its statistics")
    which.add_argument("--corpus", type=Path, nargs="+", help="files of JSON lines")
    given = parser.parse_args()
    params = load()
    where = f"measure.{METHOD}"
    method: QdcMetrics = build(checked(params, "measure", METHOD), where)
    if given.corpus:
        print("\n".join(measure_files(given.corpus, method.params)))
        return
    root = Path("data/datasets")
    if given.reference:
        source = Source.open(root / f"{given.reference}-v0")
        print(reference_line(source, method.params))
        return
    study = stated(params)
    check_place(OUT / given.dataset)
    metrics = method.metrics(given.dataset, study.get("measured") or (), root)
    with whole_folder(OUT / given.dataset) as folder:
        write_sealed(folder / "metrics.json", metrics)
    passed = {"dataset": given.dataset, "sha256": metrics["dataset_sha256"]}
    write_json(GATES / str(study["name"]) / f"{given.dataset}.json", passed)
    print(f"{given.dataset}: {method.summary(metrics)}")


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
