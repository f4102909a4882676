"""Read everything the stages of one study wrote, and refuse what does not fit together.

| file | of |
|---|---|
| ``data/datasets/<D>-v0/card.json``, ``world.json`` | each dataset |
| ``data/policies/<D>/<L>/curves.csv`` | each learner |
| ``data/compressed/<D>/<L>/<V>/compression.json`` | each artifact |
| ``data/onnx/<D>/<L>/<V>/seed-<k>.json`` | each artifact and seed |
| ``data/evaluations/<D>/<L>/<V>/metrics.json``, ``episodes.parquet`` | each artifact |
| ``data/profiles/<D>/<L>/<V>/static.json``, ``latency.json`` | each artifact |
| ``data/estimates/<D>/<L>/<E>/metrics.json`` | each estimator, if the study has any |
| ``environment.json`` | the machine |

Only ``latency.json`` and ``environment.json`` may be missing: they are no outputs of
the graph. The page then names the command that makes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.params import pick
from tasks.evaluate import Episodes
from tasks.report._documents import document, read_estimates

PARENT = "float32"
# fields the page shows
CARD = (
    *("dataset_id", "env_id", "episodes", "steps", "score_mean", "length.mean"),
    *("return.min", "return.mean", "return.median", "return.max", "return.histogram"),
    *("terminated", "truncated", "coverage", "sources", "sha256"),
    *("observation.min", "action.min"),
)
COMPRESSION = (
    *("bits_nominal", "layers", "parameters", "parameters_before", "calibration"),
    *("bytes_weights", "bytes_weights_before", "action_error"),
)


@dataclass(frozen=True)
class Artifact:
    """One dataset, learner and variant.

    Attributes:
        metrics: metrics.json of evaluate.
        episodes: episodes.parquet.
        compression: compression.json.
        static: static.json.
        latency: latency.json, or None where it was not measured.
        contracts: One a seed.
    """

    dataset: str
    learner: str
    variant: str
    metrics: dict[str, Any]
    episodes: Episodes
    compression: dict[str, Any]
    static: dict[str, Any]
    latency: dict[str, Any] | None
    contracts: tuple[dict[str, Any], ...]

    @property
    def bytes(self) -> float:
        """Mean size of the ONNX file over seeds."""
        return float(self.static["bytes"])

    @property
    def parity(self) -> float:
        """Largest difference between torch and onnxruntime over seeds."""
        return max(float(c["parity"]["max"]) for c in self.contracts)


@dataclass(frozen=True)
class Data:
    """One dataset and what was made of it.

    Attributes:
        world: The world's parameters: ``name``, ``ref_min``, ``ref_max`` ...
        card: card.json.
        curves: curves.csv by learner.
        artifacts: By (learner, variant), in the order of the study.
        estimates: metrics.json by (learner, estimator); guesses, no returns.
    """

    name: str
    world: dict[str, Any]
    card: dict[str, Any]
    curves: dict[str, pd.DataFrame]
    artifacts: dict[tuple[str, str], Artifact]
    estimates: dict[tuple[str, str], dict[str, Any]]

    def score(self, value: float) -> float:
        """A return as a normalised score: 0 random, 100 best behaviour policy."""
        low, high = float(self.world["ref_min"]), float(self.world["ref_max"])
        return 100.0 * (value - low) / (high - low)


@dataclass(frozen=True)
class Study:
    """All of it.

    Attributes:
        block: The block ``study`` of params.yaml.
        confidence: Of every interval, e.g. 0.95.
        environment: environment.json, or None where it is missing.
        params_sha256: Of params.yaml, or None where there is no such file.
    """

    block: dict[str, Any]
    datasets: tuple[Data, ...]
    confidence: float
    environment: dict[str, Any] | None
    params_sha256: str | None


def collect(
    params: Mapping[str, Any],
    root: Path = Path("data"),
    environment: Path = Path("environment.json"),
    composed: Path = Path("params.yaml"),
) -> Study:
    """Read a study.

    Args:
        params: The composed parameters.
        root: Folder of the artifacts.
        environment: Versions and machine, if the file is there.
        composed: The file ``params`` came from, for its hash.

    Raises:
        RefusedError: If something the study lists is missing, unreadable, or of
            another dataset than the one that lies there now.
    """
    study = params["study"]
    return Study(
        block=study,
        datasets=tuple(_data(root, name, study) for name in study["datasets"]),
        confidence=pick(params, "evaluate", "returns")["confidence"],
        environment=(
            read_json(environment, "python -m tasks.artifacts.environment")
            if environment.exists()
            else None
        ),
        params_sha256=sha256(composed) if composed.exists() else None,
    )


def _data(root: Path, name: str, study: Mapping[str, Any]) -> Data:
    """One dataset with everything below it."""
    command = f"python -m tasks.generate --dataset {name}"
    folder = root / "datasets" / f"{name}-v0"
    card_path = folder / "card.json"
    card = document(card_path, command, *CARD)
    world = document(
        folder / "world.json", command, "world.name", "world.ref_min", "world.ref_max"
    )["world"]
    curves = {}
    for learner in study["learners"]:
        curves[learner] = _curves(
            root / "policies" / name / learner / "curves.csv",
            f"python -m tasks.train --dataset {name} --learner {learner}",
        )
    artifacts = {
        (learner, variant): _artifact(root, name, learner, variant, study["seeds"])
        for learner in study["learners"]
        for variant in study["variants"]
    }
    for (learner, variant), artifact in artifacts.items():
        for contract in artifact.contracts:
            found = contract["dataset"]["sha256"]
            if found != card["sha256"]:
                raise RefusedError(
                    root / "onnx" / name / learner / variant,
                    "dataset.sha256",
                    found,
                    f"{card['sha256']} of {card_path}",
                    "make it again with: dvc repro",
                )
    estimates = read_estimates(root, name, study, card["sha256"])
    return Data(name, world, card, curves, artifacts, estimates)


def _artifact(
    root: Path, dataset: str, learner: str, variant: str, seeds: Sequence[int]
) -> Artifact:
    """One artifact; every file is asked for with the command that makes it."""
    leaf = Path(dataset) / learner / variant
    options = f"--dataset {dataset} --learner {learner}"

    def command(stage: str) -> str:
        one = "" if stage == "profile" else f" --variant {variant}"
        return f"python -m tasks.{stage} {options}{one}"

    after, _, last = variant.rpartition("-")
    first = f" --after {after}" if after else ""
    compressing = f"python -m tasks.compress {options} --compressor {last}{first}"
    compression = document(
        root / "compressed" / leaf / "compression.json", compressing, *COMPRESSION
    )
    contracts = tuple(
        _contract(root / "onnx" / leaf, seed, command("export")) for seed in seeds
    )
    evaluated = root / "evaluations" / leaf
    metrics = document(
        evaluated / "metrics.json",
        command("evaluate"),
        *("score.iqm", "score.low", "score.high", "return.iqm", "return.mean", "mode"),
    )
    _same(evaluated / "metrics.json", metrics, (dataset, learner, variant))
    profiled = root / "profiles" / leaf
    static = document(profiled / "static.json", command("profile"), "bytes")
    latency = None
    if (profiled / "latency.json").exists():
        latency = document(
            profiled / "latency.json", command("profile"), "batches.1", "machine"
        )
    return Artifact(
        dataset=dataset,
        learner=learner,
        variant=variant,
        metrics=metrics,
        episodes=_episodes(evaluated / "episodes.parquet", seeds, command("evaluate")),
        compression=compression,
        static=static,
        latency=latency,
        contracts=contracts,
    )


def _same(path: Path, metrics: Mapping[str, Any], names: tuple[str, str, str]) -> None:
    """Refuse an evaluation that says it is of something else than its folder."""
    for field, name in zip(("dataset", "learner", "variant"), names, strict=True):
        if metrics.get(field) != name:
            raise RefusedError(
                path, field, metrics.get(field), name, "make it again with: dvc repro"
            )


def _contract(folder: Path, seed: int, command: str) -> dict[str, Any]:
    """The contract beside an ONNX file, which must be the file it speaks of."""
    path = folder / f"seed-{seed}.json"
    contract = document(
        path,
        command,
        *("dataset.sha256", "weights_sha256", "statistics_sha256", "onnx_sha256"),
        "parity.max",
    )
    file = path.with_suffix(".onnx")
    found = sha256(file) if file.exists() else "nothing"
    if found != contract["onnx_sha256"]:
        raise RefusedError(
            file,
            "sha256",
            found,
            contract["onnx_sha256"],
            f"make it again with: {command}",
        )
    return contract


def _curves(path: Path, command: str) -> pd.DataFrame:
    """Learning curves, with at least ``update`` and ``seed``."""
    again = f"make it again with: {command}"
    if not path.exists():
        raise RefusedError(
            path, "file", "nothing", "a file", f"make it with: {command}"
        )
    curves = pd.read_csv(path)
    if missing := [c for c in ("update", "seed") if c not in curves]:
        raise RefusedError(path, "columns", list(curves), f"also {missing}", again)
    return curves


def _episodes(path: Path, seeds: Sequence[int], command: str) -> Episodes:
    """The episode table, with every seed of the study."""
    if not path.exists():
        raise RefusedError(
            path, "file", "nothing", "a file", f"make it with: {command}"
        )
    table = Episodes.read(path)
    if table.seeds != sorted(seeds):
        raise RefusedError(
            path, "seed", table.seeds, sorted(seeds), f"make it again with: {command}"
        )
    return table
