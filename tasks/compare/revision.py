"""Read what lies in a revision's folder; what is not there becomes a gap, not an end.

Every file is checked before it is used: an ONNX file against the hash in its contract,
JSON and parquet against the fields that are needed.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.artifacts.curves import read_curves
from tasks.artifacts.dataset_formats import Card, Estimate, Letters
from tasks.artifacts.environment import Environment, read_environment
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import STATED, TABLE, Episodes
from tasks.artifacts.files import check_sha256, sha256
from tasks.artifacts.formats import Batches, Contract, Evaluation
from tasks.artifacts.measured import Measured, read_measured
from tasks.artifacts.params import load
from tasks.artifacts.recorded import World
from tasks.compare import Missing, Source, Wanted, files, wanted
from tasks.estimate import ESTIMATE

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str, str]  # dataset, learner, variant
T = TypeVar("T")
MEASURED = 3  # names of a folder in which a metric of a predictor has its own
ESTIMATED = ("kind", "variant", "discounted.mean", "discounted.low", "discounted.high")


@dataclass
class Result:
    """One variant of a revision.

    Attributes:
        metrics: metrics.json of evaluate, or None.
        episodes: episodes.parquet, or None.
        table: SHA-256 of episodes.parquet, or empty.
        graphs: ONNX file by training seed.
        contracts: Contract by training seed.
        latency: latency.json, where it was measured and is still there.
    """

    metrics: Evaluation | None = None
    episodes: Episodes | None = None
    table: str = ""
    graphs: dict[int, Path] = field(default_factory=dict)
    contracts: dict[int, Contract] = field(default_factory=dict)
    latency: Batches | None = None

    @property
    def is_estimate(self) -> bool:
        """Whether its numbers come from no world."""
        return self.metrics is not None and self.metrics.get("kind") == ESTIMATE

    @property
    def played(self) -> Episodes:
        """Its episodes, where an evaluation was read."""
        if self.episodes is None:
            raise LookupError("no evaluation was read")
        return self.episodes

    @property
    def bytes(self) -> float | None:
        """Mean size of its ONNX files."""
        sizes = [path.stat().st_size for path in self.graphs.values()]
        return sum(sizes) / len(sizes) if sizes else None

    def hashes(self) -> dict[int, str]:
        """SHA-256 of the ONNX files by training seed."""
        return {seed: str(c["onnx_sha256"]) for seed, c in self.contracts.items()}


@dataclass
class Revision:
    """One revision, read.

    Attributes:
        source: What it is.
        params: params.yaml.
        stages: ``stages`` of dvc.lock.
        packages: Name to version, of requirements.lock.
        environment: environment.json, if it lies there.
        cards: card.json by dataset.
        worlds: The block ``world`` of world.json by dataset.
        curves: curves.csv by dataset and learner.
        results: Every variant of the study, in its order.
        estimates: metrics.json by dataset, learner and estimator.
        qdc: Quality, diversity and complexity by dataset.
        metrics: What a predictor's metric came to, by dataset, learner, variant and
            metric.
        gaps: What is missing or unreadable.
    """

    source: Source
    params: dict[str, Any]
    stages: dict[str, files.Stage]
    packages: dict[str, str]
    environment: Environment | None
    cards: dict[str, Card] = field(default_factory=dict)
    worlds: dict[str, World] = field(default_factory=dict)
    curves: dict[tuple[str, str], "pd.DataFrame"] = field(default_factory=dict)
    results: dict[Key, Result] = field(default_factory=dict)
    estimates: dict[Key, Estimate] = field(default_factory=dict)
    qdc: dict[str, Letters] = field(default_factory=dict)
    metrics: dict[tuple[str, str, str, str], Measured] = field(default_factory=dict)
    gaps: list[Missing] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As the user gave it."""
        return self.source.name

    @property
    def lacks(self) -> list[Missing]:
        """Its gaps; those of one reason and one command as one."""
        alike: dict[tuple[str, str], list[str]] = {}
        for gap in self.gaps:
            alike.setdefault((gap.why, gap.command), []).append(gap.path)
        return [
            Missing(several(paths), why, command)
            for (why, command), paths in alike.items()
        ]


def several(paths: Sequence[str]) -> str:
    """Paths in a few words: the only one, or how many and the first."""
    return paths[0] if len(paths) == 1 else f"{len(paths)} outputs, {paths[0]} ..."


def collect(source: Source) -> Revision:
    """Read one revision.

    Raises:
        RefusedError: If it has no parameters, or they hold no study.
    """
    folder = source.folder
    environment = folder / "environment.json"
    revision = Revision(
        source=source,
        params=load(folder / "params.yaml"),
        stages=files.stages(folder / "dvc.lock"),
        packages=files.packages(folder / "requirements.lock"),
        environment=read_environment(environment) if environment.exists() else None,
        gaps=list(source.missing),
    )
    for out in wanted(revision.params, f"params.yaml of {source.name}"):
        _read(revision, out)
    return revision


def _read(revision: Revision, out: Wanted) -> None:
    """Read one output into a revision."""
    folder = revision.source.folder / out.out
    _, kind, *names = Path(out.out).parts
    path = folder / "metrics.json"
    if kind == "datasets":
        _read_dataset(revision, out, names[0].removesuffix("-v0"))
    elif kind == "policies":
        curves = _kept(
            revision, out, lambda: read_curves(folder, "dvc repro", stated=False)
        )
        if curves is not None:
            revision.curves[names[0], names[1]] = curves
    elif kind == "qdc":
        measured = _kept(
            revision, out, lambda: files.document(path, Letters, whole=True)
        )
        if measured is not None:
            revision.qdc[names[0]] = measured
    elif kind == "estimates":
        estimate = _kept(
            revision, out, lambda: files.document(path, Estimate, *ESTIMATED)
        )
        if estimate is not None:
            revision.estimates[names[0], names[1], names[2]] = estimate
    elif kind == "evaluations" and len(names) > MEASURED:
        measure = _kept(revision, out, lambda: read_measured(folder, "dvc repro")[1])
        if measure is not None:
            revision.metrics[names[0], names[1], names[2], names[3]] = measure
    else:
        _read_result(revision, out, kind, (names[0], names[1], names[2]))


def _read_dataset(revision: Revision, out: Wanted, dataset: str) -> None:
    """Read a dataset's card and world."""
    folder = revision.source.folder / out.out
    card = _kept(revision, out, lambda: files.card(folder / "card.json"))
    if card is not None:
        revision.cards[dataset] = card
    world = _kept(revision, out, lambda: files.world(folder / "world.json"))
    if world is not None:
        revision.worlds[dataset] = world


def _read_result(revision: Revision, out: Wanted, kind: str, key: Key) -> None:
    """Read ONNX files or an evaluation, and latencies if they lie there."""
    folder = revision.source.folder / out.out
    result = revision.results.setdefault(key, Result())
    read = _read_graphs if kind == "onnx" else _read_evaluation
    _kept(revision, out, lambda: read(folder, result))
    timed = revision.source.folder / "data/profiles" / Path(*key) / "latency.json"
    if timed.exists():
        measured = _kept(
            revision, out, lambda: files.document(timed, Batches, "batches")
        )
        # one of a file that stood there before says nothing of this one
        if measured and measured.get("onnx_sha256") in result.hashes().values():
            result.latency = measured


def _kept(revision: Revision, out: Wanted, read: Callable[[], T]) -> T | None:
    """What ``read`` gives; None and a gap where it is refused.

    A gap that the source has named already is not named again.
    """
    if any(gap.path == out.out for gap in revision.gaps):
        return None
    try:
        return read()
    except RefusedError as error:
        where = Path(error.where)
        if where.is_relative_to(revision.source.folder):
            where = where.relative_to(revision.source.folder)
        found = error.found.replace(f"{revision.source.folder}/", "")
        why = f"{where.name}, {error.field}: found {found}, expected {error.expected}"
        command = f"dvc repro {shlex.quote(out.stage)}"
        revision.gaps.append(Missing(out.out, why, command))
        return None


def _read_graphs(folder: Path, result: Result) -> None:
    """Read ONNX files, which must be what their contracts speak of."""
    contracts = sorted(folder.glob("seed-*.json"))
    if not contracts:
        raise RefusedError(folder, "seed-*.json", "nothing", "files", "dvc repro")
    for path in contracts:
        fields = ("seed", "onnx_sha256", "dataset.sha256")
        contract = files.document(path, Contract, *fields)
        seed, file = contract["seed"], path.with_suffix(".onnx")
        check_sha256(file, contract["onnx_sha256"], "dvc repro")
        files.model(file)
        result.graphs[seed] = file
        result.contracts[seed] = contract


def _read_evaluation(folder: Path, result: Result) -> None:
    """Read metrics.json and, unless they are estimates, the table of episodes."""
    path = folder / "metrics.json"
    metrics = files.document(path, Evaluation)
    if metrics.get("kind") != ESTIMATE:
        files.document(path, Evaluation, "score.iqm", "return.iqm", "mode")
        path = folder / TABLE
        if STATED in metrics:  # revisions from before it state none
            check_sha256(path, metrics[STATED], "dvc repro")
        result.episodes, result.table = Episodes.read(path), sha256(path)
    result.metrics = metrics
