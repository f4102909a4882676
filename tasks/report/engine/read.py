"""Read one file of a stage, refusing it by the command that makes it again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.artifacts.dataset_formats import Card, Estimate, Histogram, Qdc, Weights
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import METRICS, Episodes, read_evaluation
from tasks.artifacts.files import check_sha256
from tasks.artifacts.formats import Contract, Evaluation, Latency
from tasks.artifacts.typed_json import read_typed
from tasks.estimate import ESTIMATE


def card(path: Path, command: str) -> Card:
    """A dataset's card, whose figures a picture or table shows row by row.

    Raises:
        RefusedError: If it is not as described, or lists differ in length.
    """
    card = read_typed(path, command, Card)
    mend = f"make it again with: {command}"
    check_histogram(path, card["return"]["histogram"], mend)
    spreads = {"observation": card["observation"], "action": card["action"]}
    for name, spread in spreads.items():
        expected = len(spread["min"])
        for what, values in {k: spread[k] for k in ("mean", "max", "std")}.items():
            if len(values) != expected:
                found = f"{len(values)} numbers"
                raise RefusedError(path, f"{name}.{what}", found, expected, mend)
    return card


def check_histogram(path: Path, histogram: Histogram, mend: str) -> None:
    """Refuse a histogram of returns whose edges are not those of its counts."""
    edges, field = histogram["edges"], "return.histogram.edges"
    expected = len(histogram["counts"]) + 1
    if len(edges) != expected or expected == 1:
        raise RefusedError(path, field, f"{len(edges)} numbers", expected, mend)
    if edges != sorted(edges):
        raise RefusedError(path, field, f"{edges!r:.80}", "rising numbers", mend)


def contract(folder: Path, seed: int, command: str) -> Contract:
    """The contract beside an ONNX file, which must be the file it speaks of."""
    path = folder / f"seed-{seed}.json"
    contract = read_typed(path, command, Contract, seal=False)
    check_sha256(path.with_suffix(".onnx"), contract["onnx_sha256"], command)
    return contract


def latency(path: Path, command: str, sha256: str) -> Latency | None:
    """How long a file takes, if that was measured.

    `dvc checkout` leaves the latency of the file that stood there before.

    Args:
        path: ``latency.json``.
        command: What measures it.
        sha256: Of the ONNX file.
    """
    if not path.exists():
        return None
    timed = read_typed(path, command, Latency)
    return timed if timed["onnx_sha256"] == sha256 else None


def evaluation(
    folder: Path, names: tuple[str, str, str], seeds: Sequence[int], command: str
) -> tuple[Episodes, Evaluation]:
    """What was played of a variant: the table of all seeds, and its figures.

    Raises:
        RefusedError: If it says that it is of something else than its folder, or not of
            these seeds.
    """
    table, metrics = read_evaluation(folder, command)
    stated = dict(zip(("dataset", "learner", "variant"), names, strict=True))
    _check_stated(folder / METRICS, metrics, stated, "dvc repro")
    _check_stated(folder / METRICS, metrics, {"seeds": list(seeds)}, command)
    return table, metrics


def estimates(
    root: Path, dataset: str, study: Mapping[str, Any], sha256: str
) -> dict[tuple[str, str], Estimate]:
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
            metrics = read_typed(path, command, Estimate)
            stated = {"kind": ESTIMATE, "method": method, "dataset_sha256": sha256}
            _check_stated(path, metrics, stated, command)
            by_name[learner, method] = metrics
    return by_name


def weights(
    root: Path, dataset: str, study: Mapping[str, Any], sha256: str
) -> dict[str, Weights]:
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
        figures = read_typed(path, command, Weights)
        _check_stated(path, figures, {"dataset_sha256": sha256}, command)
        by_name[name] = figures
    return by_name


def qdc(root: Path, dataset: str, study: Mapping[str, Any], sha256: str) -> Qdc | None:
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
    metrics = read_typed(path, command, Qdc)
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


def trained(
    dataset: str, policy: str, study: Mapping[str, Any], swept: Mapping[str, str]
) -> str:
    """The command that trains a policy again.

    Args:
        dataset: Its name.
        policy: Called after its learner, and its weighting or numbers.
        study: The block ``study``.
        swept: The learner of each policy of a sweep.
    """
    room = "learn" if policy in study.get("learned", ()) else "train"
    command = f"python -m tasks.{room} --dataset {dataset} --learner "
    if policy in swept:
        return f"{command}{swept[policy]}"
    learner, _, weighting = policy.partition("-")
    tuned = study.get("tuned") or {}
    if learner in tuned.get("learners", ()) and weighting in tuned.get("policies", ()):
        command = f"python -m tasks.learn --dataset {dataset} --learner {learner}"
        return f"{command} --start {weighting}"
    return f"{command}{learner}" + (f" --weighting {weighting}" if weighting else "")
