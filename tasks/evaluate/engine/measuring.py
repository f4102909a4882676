"""Measuring the files of one variant of a predictor, and writing what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.arrays import Arrays, load_arrays
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import whole_folder
from tasks.artifacts.measured import Rows, write_measured
from tasks.artifacts.onnx_predictor import OnnxPredictor
from tasks.artifacts.ownership import check_place
from tasks.artifacts.progress import Progress
from tasks.artifacts.variants import Variant
from tasks.evaluate import Metric, MetricParams
from tasks.loggers import Runs
from tasks.statistics.intervals import Floats, interval, mean, t_interval


def open_predictors(
    variant: Variant, data: Arrays, mode: str | None
) -> dict[int, OnnxPredictor]:
    """Open every training seed's file, after all checks.

    Raises:
        RefusedError: If a file is missing, or does not fit its hash, the variant or the
            dataset.
    """
    predictors = {}
    for seed, path in variant.files().items():
        predictor = OnnxPredictor.open(path, mode)
        variant.check(path, seed, predictor.contract)
        found = predictor.contract["dataset"]["sha256"]
        if found != data.sha256:
            expected = f"{data.sha256} of {data.dataset_id}"
            mend = f"make it again with: python -m tasks.export {variant}"
            raise RefusedError(path, "dataset.sha256", found, expected, mend)
        predictors[seed] = predictor
    return predictors


def whole(table: Floats, params: MetricParams) -> dict[str, Any]:
    """A metric's mean over seeds and replicates, with its interval.

    Of several training seeds it is Student's over their means; of a single one a
    bootstrap over its replicates, and ``of`` says so.

    Args:
        table: (S, R).
        params: Of the metric.
    """
    means = table.mean(axis=1)
    if len(means) > 1:
        low, high = t_interval(means, params.confidence)
    else:
        low, high = interval(
            table,
            mean,
            np.random.default_rng(params.resample_seed),
            resamples=params.resamples,
            confidence=params.confidence,
            seeds=False,
        )
    of = "seeds" if len(means) > 1 else "file"
    return {"mean": float(means.mean()), "low": low, "high": high, "of": of}


def measured(
    metric: Metric[Any], predictors: Mapping[int, OnnxPredictor], data: Arrays
) -> Rows:
    """The metric of each file on each replicate of its split.

    Raises:
        RefusedError: If the dataset lacks an array or the split, or a value is not
            finite.
    """
    name = type(metric).__name__
    data.check_has(metric.reads, name)
    rows = data.split(metric.params.split)
    values: dict[int, Floats] = {}
    with Progress(name, len(predictors)) as progress:
        for done, (seed, predictor) in enumerate(sorted(predictors.items()), start=1):
            values[seed] = metric.values(predictor, rows)
            if not np.isfinite(values[seed]).all():
                found, expected = "a value that is not finite", "finite values"
                mend = "train it again, e.g. with a lower learning rate"
                where = f"seed-{seed}.onnx"
                raise RefusedError(where, name, found, expected, mend)
            progress(done, f"seed {seed}: mean {values[seed].mean():.4g}")
    return Rows.of(values)


def evaluate(
    metric: Metric[Any], name: str, variant: Variant, params: Mapping[str, Any]
) -> str:
    """Measure the files of one variant and write what came out; says it in a line.

    Args:
        metric: Which.
        name: Its name, also the folder's.
        variant: Which files.
        params: The composed parameters.
    """
    out = variant.folder("evaluations") / name
    check_place(out)
    data = load_arrays(Path("data/datasets") / f"{variant.dataset}-v0")
    mode = metric.params.mode
    predictors = open_predictors(variant, data, None if mode == "auto" else mode)
    rows = measured(metric, predictors, data)
    table = rows.table()
    session = next(iter(predictors.values())).session_info()
    metrics = {
        "schema": 1,
        "dataset": variant.dataset,
        "learner": variant.learner,
        "variant": variant.variant,
        "metric": name,
        "unit": metric.unit,
        "better": metric.better,
        "replicate": metric.replicate or data.replicate,
        "replicates": table.shape[1],
        "seeds": list(variant.seeds),
        "split": metric.params.split,
        "value": whole(table, metric.params),
        "per_seed": [
            {"seed": seed, "mean": float(row.mean())}
            for seed, row in zip(rows.seeds, table, strict=True)
        ],
        "mode": session["mode"],
        "session": session,
    }
    with whole_folder(out) as folder:
        write_measured(folder, rows, metrics)
    value = metrics["value"]
    with Runs() as runs:
        title = f"{variant.dataset}-{variant.learner}/{variant.variant}"
        numbers = {f"evaluate/{name}": value["mean"]}
        runs.log(title, params["study"].get("updates", 0), numbers)
    return (
        f"{variant.dataset} {variant.learner} {variant.variant}: {name} "
        f"{value['mean']:.4g} [{value['low']:.4g}, {value['high']:.4g}] {metric.unit}, "
        f"{metric.better} is better"
    )
