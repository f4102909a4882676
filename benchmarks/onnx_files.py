"""What the ONNX files of two revisions hold: bytes, nodes and time, side by side.

    python -m benchmarks.onnx_files write FOLDER           # once in each revision
    python -m benchmarks.onnx_files compare BEFORE AFTER [--rounds 15]

Writes a file of every kind of ``onnx_kinds.py``, with a contract as long as a run's and
256 inputs with torch's answers beside it. Comparing opens the files in the mode their
contract says and lets both take turns, round after round; times are medians of the
rounds' medians, of the thread that computes. ``onnx_files.md`` holds what it prints.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.numpy import load_file, save_file

from benchmarks.onnx_kinds import KINDS, made
from tasks.artifacts.onnx_check import read_contract
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.seeding import generator
from tasks.nets.policy import Policy

ROWS = 256
BATCHES = {1: 200, 256: 5}  # rows of a call: calls a round
HASH = "0123456789abcdef" * 4
MAKERS = [
    {"method": method, "params_sha256": HASH, "code_sha256": HASH}
    for method in ("train.td3_bc", "compress.int8_static")
]
ORIGIN: dict[str, Any] = {
    "learner": "td3_bc",
    "dataset": "hopper-medium",
    "world": "hopper",
    "env_id": "Hopper-v5",
    "variant": "int8_static",
    "seeds": [0],
    "step_seconds": 0.008,
    "made_by": MAKERS,
    **dict.fromkeys(("dataset_sha256", "weights_sha256", "statistics_sha256"), HASH),
}
PARITY = {
    "rows": 1324,
    "batches": [1, 2, 7, 17],
    "max": 5.364418029785156e-07,
    "p99": 2.384185791015625e-07,
    "tolerance": 1e-4,
}
HEAD = """\
| policy | bytes | without contract | nodes | batch 1, us | batch 256, us | difference |
|---|---|---|---|---|---|---|"""


def inputs_of(policy: Policy) -> dict[str, torch.Tensor]:
    """256 rows of what a policy reads, without the axis of seeds."""
    draw, inputs = generator(1, "inputs"), {}
    for name, width in policy.inputs().items():
        x = torch.randn(ROWS, width, generator=draw)
        if name == "observation":
            x = x * policy.observation_std + policy.observation_mean
        if name == "legal":
            x = (x > 0).float()
            x[:, 0] = 1
        inputs[name] = x
    return inputs


def write(folder: Path) -> None:
    """A file of every kind, and what torch answers."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(KINDS):
        policy = made(name)
        inputs = inputs_of(policy)
        carry = {
            n: torch.full((1, ROWS, *entry.shape), entry.reset)
            for n, entry in policy.carry().items()
        }
        with torch.no_grad():
            stacked = {n: x[None] for n, x in inputs.items()}
            outputs, _ = policy.step(stacked, carry)
        layers = list(policy.linears().values())
        integer = any(getattr(layer, "integer_kernel", False) for layer in layers)
        mode = "native" if integer else "exact"
        contract = {**contract_of(policy, 0, ORIGIN, mode), "parity": PARITY}
        write_onnx(folder / f"{i:02}.onnx", build_model(policy, 0), contract)
        key = "logits" if policy.discrete else "action"
        arrays = {n: x.numpy() for n, x in inputs.items()}
        arrays["answer"] = outputs[key][0].numpy()
        save_file(arrays, folder / f"{i:02}.safetensors")


def spent(policy: OnnxPolicy, inputs: dict[str, Any], rows: int) -> float:
    """Median microseconds, the thread's own, of some calls on the first rows."""
    feed = {n: x[:rows] for n, x in inputs.items()} | policy.reset(rows)
    run, clock, times = policy.session.run, time.thread_time_ns, []
    for _ in range(BATCHES[rows]):
        begun = clock()
        run(None, feed)
        times.append(clock() - begun)
    return float(np.median(times)) / 1000


def figures(path: Path, policy: OnnxPolicy, inputs: dict[str, Any]) -> dict[str, Any]:
    """What a file is, and its largest difference from torch, in exact mode too."""
    model, worst = onnx.load(path), 0.0
    answer = load_file(path.with_suffix(".safetensors"))["answer"]
    key = "logits" if "logits" in policy.contract["outputs"] else "action"
    for mode in {"exact", policy.mode}:
        opened = OnnxPolicy.open(path, mode)
        got = opened.step(inputs, opened.reset(ROWS))[0][key]
        error = np.abs(got - answer) / np.maximum(1, np.abs(answer))
        worst = max(worst, float(error.max()))
    contract = sum(len(p.value) for p in model.metadata_props)
    size = path.stat().st_size
    return {"bytes": size, "graph": size - contract, "nodes": len(model.graph.node),
            "difference": worst}  # fmt: skip


def compare(folders: list[Path], rounds: int) -> None:
    """Print the table: before and after of each kind."""
    print(HEAD)  # noqa: T201
    for i, name in enumerate(KINDS):
        paths = [folder / f"{i:02}.onnx" for folder in folders]
        held = load_file(paths[0].with_suffix(".safetensors"))
        read = read_contract(paths[0].with_suffix(".json"))["inputs"]
        inputs = {n: held[n] for n in read}
        policies = [OnnxPolicy.open(path) for path in paths]
        about = [figures(*pair, inputs) for pair in zip(paths, policies, strict=True)]
        times: dict[int, list[list[float]]] = {rows: [] for rows in BATCHES}
        for _ in range(rounds):
            for rows in BATCHES:
                times[rows].append([spent(p, inputs, rows) for p in policies])
        cells = [
            " -> ".join(f"{one[key]:,}" for one in about)
            for key in ("bytes", "graph", "nodes")
        ]
        for rows in BATCHES:
            now = np.median(times[rows], axis=0)
            ratio = np.median([b / a for a, b in times[rows]])
            cells.append(" -> ".join(f"{t:,.1f}" for t in now) + f" ({ratio:.2f})")
        cells.append(" -> ".join(f"{one['difference']:.1e}" for one in about))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)  # noqa: T201


def main() -> None:
    """Write files, or compare those of two folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=15, help=">= 1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "write":
        write(options.folders[0])
    else:
        compare(options.folders, options.rounds)


if __name__ == "__main__":
    main()
