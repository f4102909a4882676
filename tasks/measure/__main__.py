"""Measure a dataset: ``python -m tasks.measure --dataset D``.

Writes ``data/qdc/<D>/metrics.json`` and, only if the figures pass the thresholds of
params, the file that training may wait for, ``data/gates/<study>/<D>.json``.
``--corpus FILE ...`` measures records of text side by side and writes
``FILE.qdc.json``; ``--reference D`` prints the line of params by which a world's
observations are standardised.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.files import check_writable, whole_folder, write_json
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.stage import run_stage
from tasks.measure.qdc_metrics import QdcMetrics, measured, reference_line
from tasks.measure.qdc_metrics.corpora import measure_files
from tasks.measure.qdc_metrics.sample import Source

METHOD = "qdc_metrics"
OUT, GATES = Path("data/qdc"), Path("data/gates")


def main() -> None:
    """The stage, and its two other commands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--dataset", help="of study.measured")
    which.add_argument("--reference", metavar="DATASET", help="print its statistics")
    which.add_argument("--corpus", type=Path, nargs="+", help="files of JSON lines")
    given = parser.parse_args()
    params = load()
    where = f"measure.{METHOD}"
    method: QdcMetrics = build(pick(params, "measure", METHOD), where)
    if given.corpus:
        print("\n".join(measure_files(given.corpus, method.params)))
        return
    root = Path("data/datasets")
    if given.reference:
        source = Source.open(root / f"{given.reference}-v0")
        print(reference_line(source, method.params))
        return
    study = params.get("study") or {}
    check_writable(OUT)
    source, told = measured(study, given.dataset, root, method.params)
    with whole_folder(OUT / given.dataset) as folder:
        write_json(folder / "metrics.json", told)
    passed = {"dataset": given.dataset, "sha256": source.sha256}
    write_json(GATES / str(study["name"]) / f"{given.dataset}.json", passed)
    print(f"{given.dataset}: " + sentence(told))


def sentence(told: Mapping[str, Any]) -> str:
    """One figure a letter, for the log."""
    said = []
    for letter, name in (
        ("quality", "score"),
        ("diversity", "vendi"),
        ("complexity", "ifd"),
    ):
        one = told[letter][name]
        text = "unavailable"
        if one["value"] is not None:
            text = f"{one['value']:.3g} [{one['low']:.3g}, {one['high']:.3g}]"
        said.append(f"{name} {text}")
    return ", ".join(said)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
