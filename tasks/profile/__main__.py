"""Measure files: ``python -m tasks.profile --dataset D --learner L --variant V``.

Writes ``data/profiles/<D>/<L>/<V>/``: ``static.json`` (bytes, operators: the same each
time) and ``latency.json`` (of the first training seed's file; never the same).
"""

from tasks.artifacts.files import check_writable, write_json
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.stage import run_stage
from tasks.artifacts.variants import Variant
from tasks.profile import Profiler, static, words

METHOD = "latency"


def main() -> None:
    """The stage."""
    params = load()
    variant = Variant.parse(params, __doc__ or "")
    profiler: Profiler = build(pick(params, "profile", METHOD), f"profile.{METHOD}")
    mode = None if profiler.params.mode == "auto" else profiler.params.mode
    files = variant.files()
    policies = {}
    for seed, path in files.items():  # opening checks the hash and the contract
        policies[seed] = OnnxPolicy.open(path, mode, profiler.params.threads)
        variant.check(path, seed, policies[seed].contract)
    folder = variant.folder("profiles")
    check_writable(folder)
    first = variant.seeds[0]
    head = {
        "schema": 1,
        "dataset": variant.dataset,
        "learner": variant.learner,
        "variant": variant.variant,
    }
    measured = profiler.measure(policies[first])
    write_json(folder / "static.json", {**head, **static(list(files.values()))})
    write_json(folder / "latency.json", {**head, "seed": first, **measured})
    print(f"{variant.learner} {variant.variant}: {words(measured['batches'])}")


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
