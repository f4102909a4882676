"""Read one file of a stage, refusing it by the command that makes it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import TABLE, Episodes, read_evaluation
from tasks.artifacts.files import read_json, sha256
from tasks.estimate import ESTIMATE

WEIGHTS = (  # of a weighting that the page shows
    *("params", "dataset_sha256", "v_plus.return", "v_plus.score", "start_return"),
    *("effective_sample_size", "mean_return.uniform", "mean_return.weighted"),
)
ESTIMATED = (  # of an estimate that the page shows
    *("kind", "method", "noise", "discount", "episodes", "dataset_sha256", "per_seed"),
    *("discounted.mean", "discounted.low", "discounted.high", "undiscounted"),
    *("logged.discounted", "logged.undiscounted"),
)
QDC = (  # of a dataset's figures that the page shows
    *("dataset_sha256", "world", "peers", "episodes", "steps", "seed", "bandwidth"),
    *("confidence", "reference", "gate", "quality", "diversity", "complexity"),
)
PERCENTILES = ("p50", "p99")
NUMBERS = """
    episodes steps score_mean length.mean return.min return.mean return.median
    return.max return.iqm terminated truncated coverage.share coverage.occupied
    coverage.cells bits_nominal parameters parameters_before bytes_weights
    bytes_weights_before score.iqm score.low score.high bytes parity.max world.ref_min
    world.ref_max last.iqm best.iqm v_plus.return v_plus.score effective_sample_size
    mean_return.uniform mean_return.weighted discount confidence
    """
TEXTS = """
    dataset_id env_id sha256 mode world.name dataset_sha256 dataset.sha256
    weights_sha256 statistics_sha256 onnx_sha256 kind method
    """
LISTS = """
    layers sources observation.min observation.mean observation.max observation.std
    action.min action.mean action.max action.std return.histogram.edges
    return.histogram.counts
    """
KINDS: dict[str, tuple[type, ...]] = {  # of fields by their dotted names
    **dict.fromkeys(NUMBERS.split(), (int, float)),
    **dict.fromkeys(TEXTS.split(), (str,)),
    **dict.fromkeys(LISTS.split(), (list,)),
}


def document(path: Path, command: str, *fields: str) -> dict[str, Any]:
    """A JSON file that holds at least some fields.

    Args:
        path: The file.
        command: What makes it, for errors.
        *fields: Dotted names of what it must hold.

    Raises:
        RefusedError: If the file or a field is missing, or a field of another kind than
            :data:`KINDS` says.
    """
    again = f"make it again with: {command}"
    document: dict[str, Any] = read_json(path, command, dict)
    for field in fields:
        value: Any = document
        for key in field.split("."):
            if not isinstance(value, dict) or key not in value:
                raise RefusedError(path, field, "nothing", "a value", again)
            value = value[key]
        kinds = KINDS.get(field, (object,))
        if field.endswith("_us"):  # of a batch, whatever its size
            kinds = (int, float)
        if not isinstance(value, kinds) or (field in KINDS and value is True):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise RefusedError(path, field, f"{value!r:.80}", expected, again)
    return document


def card(path: Path, command: str, *fields: str) -> dict[str, Any]:
    """A dataset's card, whose figures a picture or table shows row by row.

    Raises:
        RefusedError: As :func:`document`, or if lists differ in length or hold anything
            but numbers.
    """
    again = f"make it again with: {command}"
    card = document(path, command, *fields)
    histogram = card["return"]["histogram"]
    lengths = {"return.histogram.edges": len(histogram["counts"]) + 1}
    columns = {f"return.histogram.{n}": histogram[n] for n in ("edges", "counts")}
    for name in ("observation", "action"):
        for what in ("min", "mean", "max", "std"):
            columns[f"{name}.{what}"] = card[name][what]
            lengths[f"{name}.{what}"] = len(card[name]["min"])
    for field, values in columns.items():
        if len(values) != lengths.get(field, len(values)):
            expected = f"{lengths[field]}"
            raise RefusedError(path, field, f"{len(values)} numbers", expected, again)
        if not all(type(value) in (int, float) for value in values):
            raise RefusedError(path, field, f"{values!r:.80}", "numbers", again)
    return card


def latency(path: Path, command: str) -> dict[str, Any]:
    """The latencies of a file, each batch with its figures.

    Raises:
        RefusedError: As :func:`document`.
    """
    measured = document(path, command, "batches.1", "machine")
    figures = [f"batches.{n}.{p}_us" for n in measured["batches"] for p in PERCENTILES]
    return document(path, command, *figures)


def same(path: Path, metrics: Mapping[str, Any], names: tuple[str, str, str]) -> None:
    """Refuse an evaluation that says it is of something else than its folder."""
    for field, name in zip(("dataset", "learner", "variant"), names, strict=True):
        if metrics.get(field) != name:
            raise RefusedError(
                path, field, metrics.get(field), name, "make it again with: dvc repro"
            )


def contract(folder: Path, seed: int, command: str) -> dict[str, Any]:
    """The contract beside an ONNX file, which must be the file it speaks of."""
    path = folder / f"seed-{seed}.json"
    contract = document(
        path,
        command,
        *("dataset.sha256", "weights_sha256", "statistics_sha256", "onnx_sha256"),
        "parity.max",
    )
    file = path.with_suffix(".onnx")
    hashed = sha256(file) if file.exists() else "nothing"
    if hashed != contract["onnx_sha256"]:
        raise RefusedError(
            file,
            "sha256",
            hashed,
            contract["onnx_sha256"],
            f"make it again with: {command}",
        )
    return contract


def curves(path: Path, command: str, *columns: str) -> pd.DataFrame:
    """Curves over training: at least ``update``, ``seed`` and ``columns``."""
    again = f"make it again with: {command}"
    if not path.exists():
        raise RefusedError(
            path, "file", "nothing", "a file", f"make it with: {command}"
        )
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:  # empty, no text or no table
        raise RefusedError(path, "content", error, "a table", again) from None
    if missing := [c for c in ("update", "seed", *columns) if c not in table]:
        raise RefusedError(path, "columns", list(table), f"also {missing}", again)
    if table.empty:
        raise RefusedError(path, "rows", "none", "at least one", again)
    for name in table:
        whole, kind = name in ("update", "seed"), table[name].dtype.kind
        if kind not in ("iu" if whole else "iuf"):
            expected = "whole numbers" if whole else "numbers"
            raise RefusedError(path, str(name), f"type {kind}", expected, again)
    return table


def episodes(folder: Path, seeds: Sequence[int], command: str) -> Episodes:
    """The episode table that metrics.json beside it tells of, with all seeds."""
    path = folder / TABLE
    table, _ = read_evaluation(folder, command)
    if table.seeds != sorted(seeds):
        raise RefusedError(
            path, "seed", table.seeds, sorted(seeds), f"make it again with: {command}"
        )
    return table


def estimates(
    root: Path, dataset: str, study: Mapping[str, Any], sha256: str
) -> dict[tuple[str, str], dict[str, Any]]:
    """Every estimate of a dataset's learners, in the order of the study.

    Args:
        root: Folder of everything the stages wrote, data/.
        dataset: Its name.
        study: The block ``study``; ``estimators`` may be empty or missing.
        sha256: Of the dataset that lies there now.

    Returns:
        metrics.json by (learner, estimator).

    Raises:
        RefusedError: If one is missing, does not call itself an estimate, or is of
            another dataset.
    """
    by_name = {}
    for learner in study["policies"]:
        for method in study.get("estimators") or ():
            path = root / "estimates" / dataset / learner / method / "metrics.json"
            command = (
                f"python -m tasks.estimate --dataset {dataset} "
                f"--learner {learner} --estimator {method}"
            )
            metrics = document(path, command, *ESTIMATED)
            stated = {"kind": ESTIMATE, "method": method, "dataset_sha256": sha256}
            _check_stated(path, metrics, stated, command)
            by_name[learner, method] = metrics
    return by_name


def weights(
    root: Path, dataset: str, study: Mapping[str, Any], sha256: str
) -> dict[str, dict[str, Any]]:
    """Figures of each weighting of a dataset, in the order of the study.

    Args:
        root: Folder of everything the stages wrote, data/.
        dataset: Its name.
        study: The block ``study``; ``weighted`` may be empty or missing.
        sha256: Of the dataset that lies there now.

    Returns:
        weights.json by weighting.

    Raises:
        RefusedError: If one is missing, or is of another dataset.
    """
    by_name = {}
    for name in (study.get("weighted") or {}).get("weightings", ()):
        path = root / "weights" / dataset / name / "weights.json"
        command = f"python -m tasks.weigh --dataset {dataset} --weighting {name}"
        figures = document(path, command, *WEIGHTS)
        _check_stated(path, figures, {"dataset_sha256": sha256}, command)
        by_name[name] = figures
    return by_name


def qdc(
    root: Path, dataset: str, study: Mapping[str, Any], sha256: str
) -> dict[str, Any] | None:
    """Quality, diversity and complexity of a dataset; None where it is not measured.

    Args:
        root: Folder of everything the stages wrote, data/.
        dataset: Its name.
        study: The block ``study``; ``measured`` may be empty or missing.
        sha256: Of the dataset that lies there now.

    Raises:
        RefusedError: If the figures are missing, or of another dataset.
    """
    if dataset not in (study.get("measured") or ()):
        return None
    path = root / "qdc" / dataset / "metrics.json"
    command = f"python -m tasks.measure --dataset {dataset}"
    metrics = document(path, command, *QDC)
    _check_stated(path, metrics, {"dataset_sha256": sha256}, command)
    return metrics


def _check_stated(
    path: Path, content: Mapping[str, Any], stated: Mapping[str, Any], command: str
) -> None:
    """Refuse a file that states another value for a field."""
    for field, expected in stated.items():
        if content[field] != expected:
            mend = f"make it again with: {command}"
            raise RefusedError(path, field, content[field], expected, mend)


def trained(policy: str, swept: Mapping[str, str]) -> str:
    """The options that train a policy, for the command that makes it again.

    Args:
        policy: Called after its learner, and its weighting or numbers.
        swept: The learner of each policy of a sweep.
    """
    if policy in swept:
        return f"--learner {swept[policy]}"
    learner, _, weighting = policy.partition("-")
    return f"--learner {learner}" + (f" --weighting {weighting}" if weighting else "")
