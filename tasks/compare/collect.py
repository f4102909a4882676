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
from tasks.artifacts.files import read_json, sha256
from tasks.artifacts.params import load
from tasks.compare import Missing, Source, Wanted, wanted
from tasks.evaluate import ESTIMATE, Episodes
from tasks.measure.qdc_metrics.figures import LETTERS

Key = tuple[str, str, str]  # dataset, learner, variant
T = TypeVar("T")
GUESS = ("kind", "variant", "discounted.mean", "discounted.low", "discounted.high")
# libyaml's is 10 times as fast on a dvc.lock, where it is there
SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Leaf:
    """One artifact of a revision.

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
class Side:
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
        leaves: Every artifact of the study, in its order.
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
    leaves: dict[Key, Leaf] = field(default_factory=dict)
    estimates: dict[Key, dict[str, Any]] = field(default_factory=dict)
    qdc: dict[str, dict[str, Any]] = field(default_factory=dict)
    gaps: list[Missing] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As the user gave it."""
        return self.source.name


def collect(source: Source) -> Side:
    """Read one revision.

    Raises:
        RefusedError: If it has no parameters, or they hold no study.
    """
    folder = source.folder
    environment = folder / "environment.json"
    side = Side(
        source=source,
        params=load(folder / "params.yaml"),
        stages=stages(folder / "dvc.lock"),
        packages=_packages(folder / "requirements.lock"),
        environment=read_json(environment, "make setup")
        if environment.exists()
        else None,
        gaps=list(source.missing),
    )
    for out in wanted(side.params, f"params.yaml of {source.name}"):
        _read(side, out)
    return side


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


def _read(side: Side, out: Wanted) -> None:
    """Read one output into a side."""
    folder = side.source.folder / out.out
    _, kind, *names = Path(out.out).parts
    if kind == "datasets":
        _read_dataset(side, out, names[0].removesuffix("-v0"))
    elif kind == "policies":
        curves = _kept(side, out, lambda: _curves(folder / "curves.csv"))
        if curves is not None:
            side.curves[names[0], names[1]] = curves
    elif kind == "qdc":
        told = _kept(side, out, lambda: _fields(folder / "metrics.json", *LETTERS))
        if told is not None:
            side.qdc[names[0]] = told
    elif kind == "estimates":
        guess = _kept(side, out, lambda: _fields(folder / "metrics.json", *GUESS))
        if guess is not None:
            side.estimates[names[0], names[1], names[2]] = guess
    else:
        _read_leaf(side, out, kind, (names[0], names[1], names[2]))


def _read_dataset(side: Side, out: Wanted, dataset: str) -> None:
    """Its card and its world."""
    folder = side.source.folder / out.out
    if (card := _kept(side, out, lambda: _card(folder / "card.json"))) is not None:
        side.cards[dataset] = card
    if (world := _kept(side, out, lambda: _world(folder / "world.json"))) is not None:
        side.worlds[dataset] = world


def _read_leaf(side: Side, out: Wanted, kind: str, key: Key) -> None:
    """ONNX files or an evaluation, and latencies if they lie there."""
    folder, leaf = side.source.folder / out.out, side.leaves.setdefault(key, Leaf())
    read = _graphs if kind == "onnx" else _evaluation
    _kept(side, out, lambda: read(folder, leaf))
    timed = side.source.folder / "data/profiles" / Path(*key) / "latency.json"
    if timed.exists():
        leaf.latency = _kept(side, out, lambda: read_json(timed, ""))


def _kept(side: Side, out: Wanted, read: Callable[[], T]) -> T | None:
    """What ``read`` gives; None and a gap where it is refused.

    A gap that the source has named already is not named again.
    """
    if any(gap.path == out.out for gap in side.gaps):
        return None
    try:
        return read()
    except RefusedError as error:
        where = Path(error.where)
        if where.is_relative_to(side.source.folder):
            where = where.relative_to(side.source.folder)
        found = error.found.replace(f"{side.source.folder}/", "")
        why = f"{where.name}, {error.field}: found {found}, expected {error.expected}"
        command = f"dvc repro {shlex.quote(out.stage)}"
        side.gaps.append(Missing(out.out, why, command))
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


def _graphs(folder: Path, leaf: Leaf) -> None:
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
        leaf.graphs[int(contract["seed"])] = file
        leaf.contracts[int(contract["seed"])] = contract


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


def _evaluation(folder: Path, leaf: Leaf) -> None:
    """metrics.json and, unless they are estimates, the table of episodes."""
    metrics = _fields(folder / "metrics.json")
    if metrics.get("kind") != ESTIMATE:
        path = folder / "episodes.parquet"
        episodes = Episodes.read(path)
        counts = {int((episodes.seed == seed).sum()) for seed in episodes.seeds}
        if len(counts) != 1 or (episodes.seed[1:] < episodes.seed[:-1]).any():
            expected = "as many rows for each seed, in order"
            raise RefusedError(path, "seed", sorted(counts), expected, "dvc repro")
        leaf.episodes = episodes
        leaf.table = hashlib.sha256(path.read_bytes()).hexdigest()
        _fields(folder / "metrics.json", "score.iqm", "return.iqm", "mode")
    leaf.metrics = metrics
