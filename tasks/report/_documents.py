"""JSON that stages wrote: read, and refused where something lacks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json
from tasks.evaluate import ESTIMATE

FIELDS = (  # of an estimate that the page shows
    *("kind", "method", "noise", "discount", "episodes", "dataset_sha256", "per_seed"),
    *("discounted.mean", "discounted.low", "discounted.high", "undiscounted"),
    *("logged.discounted", "logged.undiscounted"),
)


def document(path: Path, command: str, *fields: str) -> dict[str, Any]:
    """A JSON file that holds at least ``fields``, dotted.

    Args:
        path: The file.
        command: What makes it, for errors.
        *fields: Dotted names.

    Raises:
        RefusedError: If it is missing, or a field is.
    """
    found: dict[str, Any] = read_json(path, command)
    for field in fields:
        value: Any = found
        for key in field.split("."):
            if not isinstance(value, dict) or key not in value:
                raise RefusedError(
                    path, field, "nothing", "a value", f"make it again with: {command}"
                )
            value = value[key]
    return found


def read_estimates(
    root: Path, dataset: str, study: Mapping[str, Any], sha256: str
) -> dict[tuple[str, str], dict[str, Any]]:
    """Every estimate of a dataset's learners, in the order of the study.

    Args:
        root: Folder of the artifacts.
        dataset: Its name.
        study: The block ``study``; ``estimators`` may be empty or missing.
        sha256: Of the dataset that lies there now.

    Returns:
        metrics.json by (learner, estimator).

    Raises:
        RefusedError: If one is missing, does not call itself an estimate, or is of
            another dataset.
    """
    found = {}
    for learner in study["learners"]:
        for method in study.get("estimators") or ():
            path = root / "estimates" / dataset / learner / method / "metrics.json"
            command = (
                f"python -m tasks.evaluate.estimate --dataset {dataset} "
                f"--learner {learner} --estimator {method}"
            )
            metrics = document(path, command, *FIELDS)
            stated = {"kind": ESTIMATE, "method": method, "dataset_sha256": sha256}
            for field, expected in stated.items():
                if metrics[field] != expected:
                    raise RefusedError(
                        path,
                        field,
                        metrics[field],
                        expected,
                        f"make it again with: {command}",
                    )
            found[learner, method] = metrics
    return found
