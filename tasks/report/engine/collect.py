"""Read everything the stages of one study wrote, and refuse what does not fit together.

| file | of |
|---|---|
| ``data/datasets/<D>-v0/card.json``, ``world.json`` | each dataset |
| ``data/policies/<D>/<L>/curves.csv`` | each learner, but adopted policies |
| ``data/compressed/<D>/<L>/<V>/compression.json`` | each variant |
| ``data/onnx/<D>/<L>/<V>/seed-<k>.json`` | each variant and seed |
| ``data/evaluations/<D>/<L>/<V>/metrics.json``, ``episodes.parquet`` | each variant |
| ``data/profiles/<D>/<L>/<V>/static.json``, ``latency.json`` | each variant |
| ``data/evaluations/<D>/<L>/snapshots/metrics.json`` | each of study.curves |
| ``data/estimates/<D>/<L>/<E>/metrics.json`` | each of study.estimators |
| sampler plans, as ``sampled.py`` lists them | each of study.sampled |
| ``data/qdc/<D>/metrics.json`` | each of study.measured |
| ``data/weights/<D>/<W>/weights.json`` | each of study.weighted.weightings |
| ``environment.json`` | the machine |

Only ``latency.json`` and ``environment.json`` may be missing: they are no outputs of
the graph. The page then names the command that makes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts.csv_table import read_table
from tasks.artifacts.curves import read_curves
from tasks.artifacts.dataset_formats import Card, Estimate, Qdc, Weights
from tasks.artifacts.environment import Environment, read_environment
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.files import check_sha256, sha256
from tasks.artifacts.formats import (
    Compression,
    Contract,
    Evaluation,
    Latency,
    Learning,
    Static,
)
from tasks.artifacts.params import pick
from tasks.artifacts.recorded import World, scored_world
from tasks.artifacts.sweep import Numbers
from tasks.artifacts.typed_json import read_typed
from tasks.report.engine import read, sampled
from tasks.report.engine.sampled import Sampled

if TYPE_CHECKING:
    import pandas as pd

PARENT = "float32"


@dataclass(frozen=True)
class Result:
    """What the stages wrote of one variant of a learner on a dataset.

    Attributes:
        dataset: Its name.
        learner: Its name, with its weighting if it has one.
        variant: Its name.
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
    metrics: Evaluation
    episodes: Episodes
    compression: Compression
    static: Static
    latency: Latency | None
    contracts: tuple[Contract, ...]

    @property
    def bytes(self) -> float:
        """Mean size of the ONNX file over seeds."""
        return float(self.static["bytes"])

    @property
    def parity(self) -> float:
        """Largest difference between torch and onnxruntime over seeds."""
        return max(float(c["parity"]["max"]) for c in self.contracts)


@dataclass(frozen=True)
class Learned:
    """How a learner's score went.

    Attributes:
        returns: returns.csv: update, seed, episode, start_seed, return.
        metrics: metrics.json, with ``last`` and ``best``.
    """

    returns: "pd.DataFrame"
    metrics: Learning


@dataclass(frozen=True)
class Data:
    """One dataset and what was made of it.

    Attributes:
        name: Of the dataset.
        world: The world's parameters: ``name``, ``ref_min``, ``ref_max`` ...
        card: card.json.
        curves: curves.csv by learner.
        learning: Scores on the way by learner, if its snapshots were played.
        results: By (learner, variant), in the order of the study.
        estimates: metrics.json by (learner, estimator); guesses, no returns.
        sampled: Diffusion policies by other samplers.
        weights: weights.json by weighting.
        qdc: Quality, diversity and complexity, if it was measured.
    """

    name: str
    world: World
    card: Card
    curves: dict[str, "pd.DataFrame"]
    learning: dict[str, Learned]
    results: dict[tuple[str, str], Result]
    estimates: dict[tuple[str, str], Estimate]
    sampled: list[Sampled]
    weights: dict[str, Weights]
    qdc: Qdc | None = None

    def score(self, value: float) -> float:
        """A return as a normalised score: 0 random, 100 best behaviour policy."""
        low, high = float(self.world["ref_min"]), float(self.world["ref_max"])
        return 100.0 * (value - low) / (high - low)


@dataclass(frozen=True)
class Study:
    """A whole study, read.

    Attributes:
        block: The block ``study`` of params.yaml.
        datasets: One each, in the order of the study.
        confidence: Of every interval, e.g. 0.95.
        environment: environment.json, or None where it is missing.
        params_sha256: Of params.yaml, or None where there is no such file.
        swept: By learner with a sweep the numbers of each of its policies.
    """

    block: dict[str, Any]
    datasets: tuple[Data, ...]
    confidence: float
    environment: Environment | None
    params_sha256: str | None
    swept: dict[str, dict[str, Numbers]]


def collect(
    params: Mapping[str, Any],
    root: Path = Path("data"),
    environment: Path = Path("environment.json"),
    composed: Path = Path("params.yaml"),
) -> Study:
    """Read a study.

    Args:
        params: The composed parameters.
        root: Folder of everything the stages wrote, data/.
        environment: Versions and machine, if the file is there.
        composed: The file ``params`` came from, for its hash.

    Raises:
        RefusedError: If something the study lists is missing, unreadable, or of
            another dataset than the one that lies there now.
    """
    study = params["study"]
    swept = {name: tried for name, tried in params.get("grid", {}).items() if tried}
    of = {policy: learner for learner, tried in swept.items() for policy in tried}
    return Study(
        block=study,
        datasets=tuple(_data(root, name, study, of) for name in study["datasets"]),
        confidence=pick(params, "evaluate", "returns")["confidence"],
        environment=(read_environment(environment) if environment.exists() else None),
        params_sha256=sha256(composed) if composed.exists() else None,
        swept=swept,
    )


def _data(
    root: Path, name: str, study: Mapping[str, Any], swept: Mapping[str, str]
) -> Data:
    """Read one dataset with everything below it; ``swept`` has learners by policy."""
    command = f"python -m tasks.generate --dataset {name}"
    folder = root / "datasets" / f"{name}-v0"
    card_path = folder / "card.json"
    card = read.card(card_path, command)
    world = scored_world(folder)
    curves = {
        learner: read_curves(
            root / "policies" / name / learner,
            f"python -m tasks.train --dataset {name} {read.trained(learner, swept)}",
        )
        for learner in study["policies"]
        if learner not in study.get("adopted", ())
    }
    learning = {
        learner: _learning(root, name, learner) for learner in study.get("curves", [])
    }
    results = {
        (learner, variant): _result(root, name, learner, variant, study["seeds"])
        for learner in study["policies"]
        for variant in study["variants"]
    }
    for (learner, variant), result in results.items():
        for contract in result.contracts:
            made_from = contract["dataset"]["sha256"]
            if made_from != card["sha256"]:
                raise RefusedError(
                    root / "onnx" / name / learner / variant,
                    "dataset.sha256",
                    made_from,
                    f"{card['sha256']} of {card_path}",
                    "make it again with: dvc repro",
                )
    estimates = read.estimates(root, name, study, card["sha256"])
    more = sampled.collect(root, name, study, card["sha256"])
    weights = read.weights(root, name, study, card["sha256"])
    qdc = read.qdc(root, name, study, card["sha256"])
    parts = (curves, learning, results, estimates, more, weights, qdc)
    return Data(name, world, card, *parts)


def _learning(root: Path, dataset: str, learner: str) -> Learned:
    """Read the scores of a learner on the way."""
    folder = root / "evaluations" / dataset / learner / "snapshots"
    command = (
        f"python -m tasks.evaluate.learning --dataset {dataset} --learner {learner}"
    )
    metrics = read_typed(folder / "metrics.json", command, Learning)
    path = folder / "returns.csv"
    check_sha256(path, metrics["returns_sha256"], command)
    return Learned(read_table(path, command, "return"), metrics)


def _result(
    root: Path, dataset: str, learner: str, variant: str, seeds: Sequence[int]
) -> Result:
    """Read one variant; every file is asked for with the command that makes it."""
    leaf = Path(dataset) / learner / variant
    options = f"--dataset {dataset} --learner {learner}"

    def command(stage: str) -> str:
        which = "" if stage == "profile" else f" --variant {variant}"
        return f"python -m tasks.{stage} {options}{which}"

    after, _, last = variant.rpartition("-")
    first = f" --after {after}" if after else ""
    compressing = f"python -m tasks.compress {options} --compressor {last}{first}"
    compressed = root / "compressed" / leaf / "compression.json"
    compression = read_typed(compressed, compressing, Compression)
    contracts = tuple(
        read.contract(root / "onnx" / leaf, seed, command("export")) for seed in seeds
    )
    names = (dataset, learner, variant)
    folder = root / "evaluations" / leaf
    episodes, metrics = read.evaluation(folder, names, seeds, command("evaluate"))
    profiled = root / "profiles" / leaf
    static = read_typed(profiled / "static.json", command("profile"), Static)
    return Result(
        dataset=dataset,
        learner=learner,
        variant=variant,
        metrics=metrics,
        episodes=episodes,
        compression=compression,
        static=static,
        latency=read.latency(profiled / "latency.json", command("profile")),
        contracts=contracts,
    )
