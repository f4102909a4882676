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
| what ``predicted.py`` lists | each of study.predicted |
| ``environment.json`` | the machine |

Only ``latency.json`` and ``environment.json`` may be missing: they are no outputs of
the graph. The page then names the command that makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.artifacts.csv_table import read_table
from tasks.artifacts.curves import Horizon, read_curves, read_horizon
from tasks.artifacts.dataset_formats import Card, Estimate, Qdc, Weights
from tasks.artifacts.environment import Environment, read_environment
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_sha256, sha256
from tasks.artifacts.formats import (
    Learning,
)
from tasks.artifacts.params import pick
from tasks.artifacts.recorded import World, scored_world
from tasks.artifacts.sweep import Numbers
from tasks.artifacts.typed_json import read_typed
from tasks.report.engine import read, sampled
from tasks.report.engine.predicted import Predicted, predicted
from tasks.report.engine.result import Files, Result, files, played
from tasks.report.engine.sampled import Sampled

if TYPE_CHECKING:
    import pandas as pd


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
        results: By (learner, variant), in the order of the study; empty without a
            world.
        unplayed: The same where there is no world: files alone.
        estimates: metrics.json by (learner, estimator); guesses, no returns.
        sampled: Diffusion policies by other samplers.
        weights: weights.json by weighting.
        horizons: How far critics came, by learner with critics.
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
    horizons: dict[str, Horizon]
    qdc: Qdc | None = None
    unplayed: dict[tuple[str, str], Files] = field(default_factory=dict)

    def score(self, value: float) -> float:
        """A return as a normalised score: 0 random, 100 best behaviour policy."""
        low, high = float(self.world["ref_min"]), float(self.world["ref_max"])
        return 100.0 * (value - low) / (high - low)


@dataclass(frozen=True)
class Study:
    """A whole study, read.

    Attributes:
        block: The block ``study`` of params.yaml.
        datasets: Those that are played, one each, in the order of the study.
        logs: Those without a world, of which there are estimates alone.
        predicted: Those of named arrays, whose predictors have metrics.
        confidence: Of every interval, e.g. 0.95.
        acting: Noise that files were played with, of evaluate.returns.
        environment: environment.json, or None where it is missing.
        params_sha256: Of params.yaml, or None where there is no such file.
        swept: By learner with a sweep the numbers of each of its policies.
    """

    block: dict[str, Any]
    datasets: tuple[Data, ...]
    logs: tuple[Data, ...]
    predicted: tuple[Predicted, ...]
    confidence: float
    acting: str
    environment: Environment | None
    params_sha256: str | None
    swept: dict[str, dict[str, Numbers]]

    @property
    def unplayed(self) -> "tuple[Data | Predicted, ...]":
        """Datasets of which no file was played: logs, then named arrays."""
        return (*self.logs, *self.predicted)


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
    study, evaluation = params["study"], pick(params, "evaluate", "returns")
    swept = {name: tried for name, tried in params.get("grid", {}).items() if tried}
    of = {policy: learner for learner, tried in swept.items() for policy in tried}
    names = study["datasets"]
    there, arrays = study.get("played", names), study.get("predicted", ())
    logs = [name for name in names if name not in (*there, *arrays)]
    return Study(
        block=study,
        datasets=tuple(_data(root, n, study, of, True) for n in names if n in there),
        logs=tuple(_data(root, n, study, of, False) for n in logs),
        predicted=tuple(predicted(root, n, study) for n in names if n in arrays),
        confidence=evaluation["confidence"],
        acting=evaluation["acting"],
        environment=(read_environment(environment) if environment.exists() else None),
        params_sha256=sha256(composed) if composed.exists() else None,
        swept=swept,
    )


def _data(
    root: Path,
    name: str,
    study: Mapping[str, Any],
    swept: Mapping[str, str],
    plays: bool,
) -> Data:
    """Read one dataset with everything below it.

    Args:
        root: Folder of everything the stages wrote, data/.
        name: Of the dataset.
        study: The block ``study``.
        swept: Learners by policy, where they are swept.
        plays: Whether its world was played.
    """
    command = f"python -m tasks.generate --dataset {name}"
    folder = root / "datasets" / f"{name}-v0"
    card_path = folder / "card.json"
    card = read.card(card_path, command)
    world = scored_world(folder)
    curves, horizons = {}, {}
    for learner in study["policies"]:
        place = root / "policies" / name / learner
        train = read.trained(name, learner, study, swept)
        if learner in study.get("adopted", ()):
            continue
        curves[learner] = read_curves(place, train)
        if reached := read_horizon(place, train):
            horizons[learner] = reached
    curved = study.get("curves", []) if plays else []
    learning = {learner: _learning(root, name, learner) for learner in curved}
    seeds = study["seeds"]
    written = {
        (learner, variant): files(root, name, learner, variant, seeds)
        for learner in study["policies"]
        for variant in study["variants"]
    }
    results = {
        leaf: played(root, what, seeds) for leaf, what in written.items() if plays
    }
    for (learner, variant), result in written.items():
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
    more = sampled.collect(root, name, study, card["sha256"]) if plays else []
    weights = read.weights(root, name, study, card["sha256"])
    qdc = read.qdc(root, name, study, card["sha256"])
    parts = (curves, learning, results, estimates, more, weights, horizons, qdc)
    return Data(name, world, card, *parts, {} if plays else written)


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
