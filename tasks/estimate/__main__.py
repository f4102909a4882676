"""Estimate returns: ``python -m tasks.estimate --dataset D --learner L ...``.

With ``--estimator E`` it writes ``data/estimates/<D>/<L>/<E>/metrics.json``, labelled
``"kind": "estimate"``: what the float32 files of a learner would return, from the
logged episodes alone. No world is made, so a learner can be judged where there is none.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.files import whole_folder
from tasks.artifacts.names import add_name
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, check_known, load
from tasks.artifacts.progress import Progress
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.artifacts.study import stated
from tasks.artifacts.transitions import Transitions
from tasks.artifacts.variants import Variant
from tasks.code.blocks import checked
from tasks.estimate import ESTIMATE, Estimator, Target, begins, target

VARIANT = "float32"
LISTS = {"dataset": "datasets", "learner": "policies", "estimator": "estimators"}


def targets(variant: Variant, data: Transitions, noise: float) -> dict[int, Target]:
    """Open every training seed's file, after all checks.

    Raises:
        RefusedError: If a file is missing, or does not fit its hash, the variant or the
            data.
    """
    policies = {}
    for seed, path in variant.files().items():
        policy = OnnxPolicy.open(path, distribution=True)
        variant.check(path, seed, policy.contract)
        policies[seed] = target(path, policy, data, noise)
    return policies


def logged(data: Transitions, discount: float) -> dict[str, float]:
    """Mean returns of the logged episodes themselves, to compare estimates with."""
    first = begins(data)
    step = np.arange(len(data.reward)) - first[data.episode]
    total = float(data.reward.astype(np.float64) @ discount**step)
    return {
        "discounted": total / len(first),
        "undiscounted": float(data.returns.mean()),
    }


def main() -> None:
    """Estimate with one method and write what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in LISTS:
        add_name(parser, f"--{name}", required=True, help=f"of study.{LISTS[name]}")
    options = parser.parse_args()
    params = load()
    names = stated(params)
    for name in LISTS:
        key = LISTS[name]
        check_known(getattr(options, name), names.get(key, ()), f"study.{key}")
    dataset, learner, method = options.dataset, options.learner, options.estimator
    variant = Variant(dataset, learner, VARIANT, tuple(names.get("seeds", ())))
    where = f"estimate.{method}"
    estimator: Estimator[Any] = build(checked(params, "estimate", method), where)
    folder = Path("data/estimates") / dataset / learner / method
    check_place(folder)
    p = estimator.params
    data = load_transitions(Path("data/datasets") / f"{dataset}-v0")
    policies = targets(variant, data, p.noise)
    title = f"{dataset} {learner} {method}"
    with whole_folder(folder) as place:
        with Progress(title, 1.0) as progress:
            figures = estimator.estimate(data, policies, progress)
        metrics = {
            "schema": 1,
            "kind": ESTIMATE,
            "method": method,
            "dataset": dataset,
            "dataset_sha256": data.sha256,
            "learner": learner,
            "variant": VARIANT,
            "seeds": list(variant.seeds),
            "noise": p.noise,
            "discount": p.discount,
            "episodes": len(data.returns),
            "logged": logged(data, p.discount),
            **figures,
        }
        write_sealed(place / "metrics.json", metrics)
    whole = metrics["discounted"]
    print(
        f"{title}: estimated discounted return {whole['mean']:.1f} "
        f"[{whole['low']:.1f}, {whole['high']:.1f}], "
        f"of the data {metrics['logged']['discounted']:.1f}"
    )


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
