"""Measure files: ``python -m tasks.profile --dataset D --learner L``.

Writes ``data/profiles/<D>/<L>/<V>/`` of each variant of the study: ``static.json``
(bytes, operators: the same each time) and ``latency.json`` (of the first training
seed's file; never the same). One process times all variants, so that they compare.
"""

from typing import Any

from tasks.artifacts.files import check_writable
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.sealed import write_sealed
from tasks.artifacts.stage import run_stage
from tasks.artifacts.variants import Variant
from tasks.profile import Profiler, static, words

METHOD = "latency"


def main() -> None:
    """Measure all variants of one learner, side by side, and write what came out."""
    params = load()
    variants = Variant.parse_all(params, __doc__ or "")
    where = f"profile.{METHOD}"
    profiler: Profiler[Any] = build(pick(params, "profile", METHOD), where)
    mode = None if profiler.params.mode == "auto" else profiler.params.mode
    firsts: dict[str, OnnxPolicy] = {}
    for variant in variants:
        for seed, path in variant.files().items():
            # opening checks the hash and the contract
            policy = OnnxPolicy.open(path, mode, profiler.params.threads)
            variant.check(path, seed, policy.contract)
            firsts.setdefault(variant.variant, policy)
        check_writable(variant.folder("profiles").parent)
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
        described = static(list(variant.files().values()))
        write_sealed(folder / "static.json", {**head, **described})
        latency = {**head, "seed": variant.seeds[0], **timed}
        write_sealed(folder / "latency.json", latency)
        print(f"{variant.learner} {variant.variant}: {words(timed['batches'])}")


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
