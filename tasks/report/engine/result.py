"""What the stages wrote of one variant, played or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.formats import Compression, Contract, Evaluation, Latency, Static
from tasks.artifacts.typed_json import read_typed
from tasks.report.engine import read


@dataclass(frozen=True)
class Files:
    """What the stages wrote of one variant of a learner on a dataset.

    Attributes:
        dataset: Its name.
        learner: Its name, with its weighting if it has one.
        variant: Its name.
        compression: compression.json.
        static: static.json.
        latency: latency.json, or None where it was not measured.
        contracts: One a seed.
    """

    dataset: str
    learner: str
    variant: str
    compression: Compression
    static: Static
    latency: Latency | None
    contracts: tuple[Contract, ...]

    @property
    def bytes(self) -> float:
        """Mean size of the ONNX file over seeds."""
        return float(self.static["bytes"])

    @property
    def note(self) -> str:
        """What is said of the policy below its name; empty as a rule."""
        if "adopted" in self.contracts[0]:
            adopted = self.contracts[0]["adopted"]
            return f"not made here: {adopted['format']}; {adopted['verified']}"
        return "imitation baseline" if self.learner == "bc" else ""

    @property
    def parity(self) -> float:
        """Largest difference between torch and onnxruntime over seeds."""
        return max(float(c["parity"]["max"]) for c in self.contracts)


@dataclass(frozen=True)
class Result(Files):
    """A variant that was played.

    Attributes:
        metrics: metrics.json of evaluate.
        episodes: episodes.parquet.
    """

    metrics: Evaluation
    episodes: Episodes


def files(
    root: Path, dataset: str, learner: str, variant: str, seeds: Sequence[int]
) -> Files:
    """Read one variant; every file is asked for with the command that makes it."""
    leaf = Path(dataset) / learner / variant
    options = f"--dataset {dataset} --learner {learner}"
    after, _, last = variant.rpartition("-")
    first = f" --after {after}" if after else ""
    compressing = f"python -m tasks.compress {options} --compressor {last}{first}"
    exporting = f"python -m tasks.export {options} --variant {variant}"
    profiling = f"python -m tasks.profile {options}"
    compressed = root / "compressed" / leaf / "compression.json"
    compression = read_typed(compressed, compressing, Compression)
    contracts = tuple(
        read.contract(root / "onnx" / leaf, seed, exporting) for seed in seeds
    )
    profiled = root / "profiles" / leaf
    return Files(
        dataset=dataset,
        learner=learner,
        variant=variant,
        compression=compression,
        static=read_typed(profiled / "static.json", profiling, Static),
        latency=read.latency(
            profiled / "latency.json", profiling, contracts[0]["onnx_sha256"]
        ),
        contracts=contracts,
    )


def played(root: Path, what: Files, seeds: Sequence[int]) -> Result:
    """Read the evaluation of a variant beside its files."""
    names = (what.dataset, what.learner, what.variant)
    dataset, learner, variant = names
    command = (
        f"python -m tasks.evaluate --dataset {dataset} --learner {learner} "
        f"--variant {variant}"
    )
    folder = root / "evaluations" / dataset / learner / variant
    episodes, metrics = read.evaluation(folder, names, seeds, command)
    return Result(**vars(what), metrics=metrics, episodes=episodes)
