"""Read what lies in a revision's folder; what is not there becomes a gap, not an end.

Every file is checked before it is used: an ONNX file against the hash in its contract,
JSON and parquet against the fields that are needed.
"""

import hashlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import onnx
import pandas as pd
import yaml

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.params import load
from tasks.compare import Missing, Source, Wanted, wanted
from tasks.estimate import ESTIMATE
from tasks.statistics.composition import LETTERS

Key = tuple[str, str, str]  # dataset, learner, variant
T = TypeVar("T")
GUESS = ("kind", "variant", "discounted.mean", "discounted.low", "discounted.high")
# libyaml's is 10 times as fast on a dvc.lock, where it is there
SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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

    metrics: dict[str, Any] | None = None
    episodes: Episodes | None = None
    table: str = ""
    graphs: dict[int, Path] = field(default_factory=dict)
    contracts: dict[int, dict[str, Any]] = field(default_factory=dict)
    latency: dict[str, Any] | None = None

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
        gaps: What is missing or unreadable.
    """

    source: Source
    params: dict[str, Any]
    stages: dict[str, Any]
    packages: dict[str, str]
    environment: dict[str, Any] | None
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    worlds: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: dict[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    results: dict[Key, Result] = field(default_factory=dict)
    estimates: dict[Key, dict[str, Any]] = field(default_factory=dict)
    qdc: dict[str, dict[str, Any]] = field(default_factory=dict)
    gaps: list[Missing] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As the user gave it."""
        return self.source.name


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
        stages=stages(folder / "dvc.lock"),
        packages=_packages(folder / "requirements.lock"),
        environment=read_json(environment, "make setup")
        if environment.exists()
        else None,
        gaps=list(source.missing),
    )
    for out in wanted(revision.params, f"params.yaml of {source.name}"):
        _read(revision, out)
    return revision


def stages(path: Path) -> dict[str, Any]:
    """The block ``stages`` of a dvc.lock; empty where there is none."""
    if not path.exists():
        return {}
    loader = SafeLoader(path.read_text(encoding="utf-8"))
    try:
        loaded = loader.get_single_data()
    except yaml.YAMLError as error:
        found = str(error).splitlines()[0]
        raise RefusedError(path, "content", found, "YAML", "dvc repro") from None
    finally:
        loader.dispose()
    return dict(loaded.get("stages") or {}) if isinstance(loaded, Mapping) else {}


def _packages(path: Path) -> dict[str, str]:
    """Name to version, from lines ``name==version``."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    split = (line.split("==", 1) for line in lines if not line.startswith("#"))
    return {pair[0].strip(): pair[1].strip() for pair in split if len(pair) == 2}


def _read(revision: Revision, out: Wanted) -> None:
    """Read one output into a revision."""
    folder = revision.source.folder / out.out
    _, kind, *names = Path(out.out).parts
    if kind == "datasets":
        _read_dataset(revision, out, names[0].removesuffix("-v0"))
    elif kind == "policies":
        curves = _kept(revision, out, lambda: _curves(folder / "curves.csv"))
        if curves is not None:
            revision.curves[names[0], names[1]] = curves
    elif kind == "qdc":
        told = _kept(revision, out, lambda: _fields(folder / "metrics.json", *LETTERS))
        if told is not None:
            revision.qdc[names[0]] = told
    elif kind == "estimates":
        guess = _kept(revision, out, lambda: _fields(folder / "metrics.json", *GUESS))
        if guess is not None:
            revision.estimates[names[0], names[1], names[2]] = guess
    else:
        _read_result(revision, out, kind, (names[0], names[1], names[2]))


def _read_dataset(revision: Revision, out: Wanted, dataset: str) -> None:
    """Its card and its world."""
    folder = revision.source.folder / out.out
    if (card := _kept(revision, out, lambda: _card(folder / "card.json"))) is not None:
        revision.cards[dataset] = card
    if (
        world := _kept(revision, out, lambda: _world(folder / "world.json"))
    ) is not None:
        revision.worlds[dataset] = world


def _read_result(revision: Revision, out: Wanted, kind: str, key: Key) -> None:
    """ONNX files or an evaluation, and latencies if they lie there."""
    folder, result = (
        revision.source.folder / out.out,
        revision.results.setdefault(key, Result()),
    )
    read = _graphs if kind == "onnx" else _evaluation
    _kept(revision, out, lambda: read(folder, result))
    timed = revision.source.folder / "data/profiles" / Path(*key) / "latency.json"
    if timed.exists():
        result.latency = _kept(revision, out, lambda: read_json(timed, ""))


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


def _fields(path: Path, *fields: str) -> dict[str, Any]:
    """A JSON object with at least the given fields, dotted."""
    document = read_json(path, "dvc repro")
    for name in fields:
        value = document
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise RefusedError(path, name, "nothing", "a value", "dvc repro")
            value = value[part]
    return dict(document)


def _card(path: Path) -> dict[str, Any]:
    return _fields(path, "sha256", "return.mean", "episodes", "steps")


def _world(path: Path) -> dict[str, Any]:
    fields = ("world.name", "world.ref_min", "world.ref_max")
    return dict(_fields(path, *fields)["world"])


def _curves(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise RefusedError(path, "file", "nothing", "a file", "dvc repro")
    try:
        curves = pd.read_csv(path)
    except ValueError as error:
        raise RefusedError(path, "content", error, "CSV", "dvc repro") from error
    if not {"update", "seed"} <= set(curves.columns):
        expected = "update and seed among them"
        raise RefusedError(path, "columns", list(curves), expected, "dvc repro")
    return curves


def _graphs(folder: Path, result: Result) -> None:
    """ONNX files that are what their contracts speak of."""
    contracts = sorted(folder.glob("seed-*.json"))
    if not contracts:
        raise RefusedError(folder, "seed-*.json", "nothing", "files", "dvc repro")
    for path in contracts:
        contract = _fields(path, "seed", "onnx_sha256", "dataset.sha256")
        file = path.with_suffix(".onnx")
        found = sha256(file) if file.exists() else "nothing"
        if found != contract["onnx_sha256"]:
            expected = contract["onnx_sha256"]
            raise RefusedError(file, "sha256", found, expected, "dvc repro")
        model(file)
        result.graphs[int(contract["seed"])] = file
        result.contracts[int(contract["seed"])] = contract


def model(path: Path) -> onnx.ModelProto:
    """An ONNX file, without what it may keep outside.

    Raises:
        RefusedError: If it is none.
    """
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises several kinds
        raise RefusedError(
            path, "content", error, "an ONNX model", "dvc repro"
        ) from error


def _evaluation(folder: Path, result: Result) -> None:
    """metrics.json and, unless they are estimates, the table of episodes."""
    metrics = _fields(folder / "metrics.json")
    if metrics.get("kind") != ESTIMATE:
        path = folder / "episodes.parquet"
        episodes = Episodes.read(path)
        counts = {int((episodes.seed == seed).sum()) for seed in episodes.seeds}
        if len(counts) != 1 or (episodes.seed[1:] < episodes.seed[:-1]).any():
            expected = "as many rows for each seed, in order"
            raise RefusedError(path, "seed", sorted(counts), expected, "dvc repro")
        result.episodes = episodes
        result.table = hashlib.sha256(path.read_bytes()).hexdigest()
        _fields(folder / "metrics.json", "score.iqm", "return.iqm", "mode")
    result.metrics = metrics
