"""Export one variant of a policy.

``python -m tasks.export --dataset D --learner L --variant V`` reads
``data/compressed/D/L/V`` and writes ``data/onnx/D/L/V/seed-<k>.onnx`` with the contract
``seed-<k>.json`` beside it, and README.md, which says the same of all of them to a
reader. Where parity fails it writes nothing.

With ``--sampler S --steps N`` a diffusion policy is first given that sampler, of N
network calls, and becomes the variant ``V-S-N``; ``sampler.json`` beside its files says
what was done, and ``dc_ratios.json`` what a search found.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from offcut.card import card
from offcut.policy import Policy as Runtime
from tasks.artifacts.arrays import load_arrays
from tasks.artifacts.files import read_entry, whole_folder, write_text
from tasks.artifacts.onnx_policy import OnnxPolicy, contract_of, write_onnx
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.parity import check_carried_parity, check_parity
from tasks.artifacts.policy import (
    check_trained_on,
    load_policy,
    makers_of,
    statistics_sha256,
    weights_sha256,
)
from tasks.artifacts.rows import load_observations, load_transitions
from tasks.artifacts.stage import run_stage
from tasks.artifacts.variants import Variant
from tasks.code import made_by
from tasks.code.blocks import checked
from tasks.export import Exporter
from tasks.export.engine.predictors import export_predictor
from tasks.nets.policy import Policy
from tasks.nets.predictor import Predictor


def main() -> None:
    """Read the command line, and export."""
    params = load()
    variant = Variant.parse(params, __doc__ or "", making=True)
    torch.set_num_threads(1)
    exporter: Exporter[Any] = build(
        checked(params, "export", "feedforward"), "export.feedforward"
    )
    by = checked(params, "export", variant.source[1]) if variant.source else {}
    source, out = variant.parent.folder("compressed"), variant.folder("onnx")
    check_place(out)
    policy, origin = load_policy(source)
    mode = read_entry(source / "compression.json", "dvc repro", "mode", str)
    origin |= {
        "variant": variant.variant,
        "made_by": makers_of(source, origin),
        "weights_sha256": weights_sha256(policy),
        "statistics_sha256": statistics_sha256(policy),
    }
    draw = np.random.default_rng(0)
    dataset = Path("data/datasets") / f"{variant.dataset}-v0"
    check_trained_on(dataset, origin)
    if isinstance(policy, Predictor):
        rows_of = load_arrays(dataset).arrays
        for line in export_predictor(out, policy, origin, mode, rows_of, exporter):
            print(line)
        return
    if policy.carry():
        data = load_transitions(dataset)
        rows: tuple[Any, ...] = (data.observation, data.reward)
        check: Callable[..., dict[str, Any]] = check_carried_parity
    else:
        rows = (load_observations(dataset, exporter.rows, draw),)
        check = check_parity
    with whole_folder(out) as folder:
        parts: list[tuple[Policy, int, dict[str, Any]]]
        parts = [(policy, k, {}) for k in range(policy.seeds)]
        if variant.source:
            # imported here, as most exports have no sampler
            from tasks.export.engine.apply_sampler import apply_sampler

            origin["made_by"].append(made_by("export", variant.source[1], by))
            sampled = apply_sampler(by, variant.source, source, policy, rows[0])
            sampled.write(folder, origin["seeds"])
            parts = [
                (seed.policy, 0, {"sampler": seed.entry}) for seed in sampled.seeds
            ]
        for (network, k, more), seed in zip(parts, origin["seeds"], strict=True):
            path = folder / f"seed-{seed}.onnx"
            model = exporter.model(network, k)
            contract = contract_of(network, k, origin, mode)
            contract |= {"seed": seed, **more}
            shown = out / path.name
            # Integer kernels are held to the same tolerance as float arithmetic.
            for tried in dict.fromkeys(("exact", mode)):
                candidate = OnnxPolicy(model.SerializeToString(), contract, tried)
                parity = check(
                    shown, network, k, candidate, *rows, draw, exporter.tolerance
                )
            write_onnx(path, model, {**contract, "parity": parity})
            print(f"{shown}: {path.stat().st_size} bytes, parity {parity['max']:.2g}")
        written = [Runtime.open(folder / f"seed-{k}.onnx") for k in origin["seeds"]]
        write_text(folder / "README.md", card(*written))


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
