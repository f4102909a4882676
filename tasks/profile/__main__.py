"""Measure files: ``python -m tasks.profile --dataset D --learner L``.

Writes ``data/profiles/<D>/<L>/<V>/`` of each variant of the study: ``static.json``
(bytes, operators: the same each time) and ``latency.json`` (of the first training
seed's file, whose hash it states; never the same). One process times all variants, so
that they compare.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.actions import check_played
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import check_writable, sha256
from tasks.artifacts.onnx_check import PREDICTOR
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.onnx_predictor import OnnxPredictor
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.artifacts.variants import Variant
from tasks.code.blocks import checked
from tasks.profile import Profiler, Timed, feed, static, words

METHOD = "latency"
ROWS = 8  # with which a file is tried before it is timed


def check_acts(path: Path, policy: OnnxPolicy) -> None:
    """Refuse a file that does not act as its contract says: none would play it.

    Args:
        path: The file, for errors.
        policy: The file, opened. It sees standard normal observations once.

    Raises:
        RefusedError: If an action is not finite or outside its bounds.
    """
    shape = policy.contract["inputs"]["observation"]["shape"][1:]
    rows = np.random.default_rng(0).standard_normal((ROWS, *shape))
    outputs, _ = policy.step({"observation": rows}, policy.reset(ROWS))
    stated = policy.contract["outputs"]["action"]
    check_played(outputs["action"], stated, str(path), 0)


def check_answers(path: Path, predictor: OnnxPredictor) -> None:
    """Refuse a file that answers with what is no number.

    Args:
        path: The file, for errors.
        predictor: The file, opened. It sees standard normal inputs once.

    Raises:
        RefusedError: If an output is not finite.
    """
    for name, values in predictor(feed(predictor.contract, ROWS)).items():
        if not np.isfinite(values).all():
            mend = "make it again with: dvc repro"
            raise RefusedError(path, name, "NaN or infinity", "finite numbers", mend)


def main() -> None:
    """Measure all variants of one learner, side by side, and write what came out."""
    params = load()
    variants = Variant.parse_all(params, __doc__ or "")
    where = f"profile.{METHOD}"
    profiler: Profiler[Any] = build(checked(params, "profile", METHOD), where)
    check_place(variants[0].folder("profiles").parent)
    mode = None if profiler.params.mode == "auto" else profiler.params.mode
    firsts: dict[str, Timed] = {}
    for variant in variants:
        predicts = variant.kind() == PREDICTOR
        for seed, path in variant.files().items():
            # opening checks the hash and the contract
            opened: Timed
            if predicts:
                opened = OnnxPredictor.open(path, mode, profiler.params.threads)
                check_answers(path, opened)
            else:
                opened = OnnxPolicy.open(path, mode, profiler.params.threads)
                check_acts(path, opened)
            variant.check(path, seed, opened.contract)
            firsts.setdefault(variant.variant, opened)
    measured = profiler.measure(firsts)
    for variant in variants:
        folder, timed = variant.folder("profiles"), measured[variant.variant]
        check_writable(folder)
        head = {
            "schema": 1,
            "dataset": variant.dataset,
            "learner": variant.learner,
            "variant": variant.variant,
        }
        files = variant.files()
        described = static(list(files.values()))
        write_sealed(folder / "static.json", {**head, **described})
        seed = variant.seeds[0]
        of = {"seed": seed, "onnx_sha256": sha256(files[seed])}
        latency = {**head, **of, **timed}
        write_sealed(folder / "latency.json", latency)
        print(f"{variant.learner} {variant.variant}: {words(timed['batches'])}")


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
