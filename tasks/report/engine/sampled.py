"""Diffusion policies by other samplers: what each costs, and what it loses.

| file | of |
|---|---|
| ``data/onnx/<D>/<L>/<V>-<S>-<N>/sampler.json`` | the plan and its action error |
| ``seed-<k>.json`` beside it | each seed's contract |
| ``data/evaluations/...``, ``data/profiles/...`` | as of every variant |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import json_sha256
from tasks.artifacts.formats import Contract, Evaluation, Latency, Sampler, Static
from tasks.artifacts.typed_json import read_typed
from tasks.artifacts.variants import sampled
from tasks.report.engine import read


@dataclass(frozen=True)
class Sampled:
    """One variant by one sampler.

    Attributes:
        learner: Of the policy.
        variant: What it is made of.
        sampler: Its name.
        calls: Of the network, NFE.
        plan: sampler.json: the plan and its action error.
        metrics: metrics.json of evaluate.
        bytes: Mean size of the ONNX file over seeds.
        latency: latency.json, or None where it was not measured.
    """

    learner: str
    variant: str
    sampler: str
    calls: int
    plan: Sampler
    metrics: Evaluation
    bytes: float
    latency: Latency | None


def collect(
    root: Path, dataset: str, study: Mapping[str, Any], sha256: str
) -> list[Sampled]:
    """Every sampled variant of a dataset, in the order of the study.

    Args:
        root: Folder of everything the stages wrote, data/.
        dataset: Its name.
        study: The block ``study``.
        sha256: Of the dataset that lies there now.

    Raises:
        RefusedError: If a file is missing, is of another dataset, or a plan is not the
            one that was exported.
    """
    return [
        _read(root, dataset, study, sha256, learner, name, source)
        for learner in study["policies"]
        for name, source in sampled(study, learner).items()
    ]


def _read(
    root: Path,
    dataset: str,
    study: Mapping[str, Any],
    sha256: str,
    learner: str,
    name: str,
    source: tuple[str, str, int],
) -> Sampled:
    """Read one variant, made of ``source``: a variant, a sampler and its calls."""
    variant, sampler, calls = source
    leaf = Path(dataset) / learner / name
    options = f"--dataset {dataset} --learner {learner}"
    export = (
        f"python -m tasks.export {options} --variant {variant} "
        f"--sampler {sampler} --steps {calls}"
    )
    path = root / "onnx" / leaf / "sampler.json"
    plan = read_typed(path, export, Sampler)
    contracts = {
        seed: read.contract(path.parent, seed, export) for seed in study["seeds"]
    }
    for contract in contracts.values():
        made_from = contract["dataset"]["sha256"]
        if made_from != sha256:
            mend = f"make it again with: {export}"
            raise RefusedError(path.parent, "dataset.sha256", made_from, sha256, mend)
    _check_plans(path, plan, contracts, export)
    evaluate = f"python -m tasks.evaluate {options} --variant {name}"
    names = (dataset, learner, name)
    folder = root / "evaluations" / leaf
    _, metrics = read.evaluation(folder, names, study["seeds"], evaluate)
    profile = f"python -m tasks.profile {options}"
    profiled = root / "profiles" / leaf
    static = read_typed(profiled / "static.json", profile, Static)
    file = contracts[study["seeds"][0]]["onnx_sha256"]
    timed = read.latency(profiled / "latency.json", profile, file)
    return Sampled(learner, *source, plan, metrics, float(static["bytes"]), timed)


def _check_plans(
    path: Path,
    plan: Sampler,
    contracts: Mapping[int, Contract],
    command: str,
) -> None:
    """Refuse plans that are not those in the exported graphs.

    Raises:
        RefusedError: If the hash of a seed's plan is not the one its contract, which
            stands in the graph, says.
    """
    plans = {s["seed"]: json_sha256(s["spec"]) for s in plan["seeds"]}
    for seed, contract in contracts.items():
        stated = contract.get("sampler")
        expected = stated["plan_sha256"] if stated else None
        if plans.get(seed) != expected:
            raise RefusedError(
                path,
                f"plan of seed {seed}",
                plans.get(seed, "nothing"),
                f"{expected} of the exported graph",
                f"make it again with: {command}",
            )
