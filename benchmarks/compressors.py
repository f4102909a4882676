"""Every compressor on one policy, beside onnxruntime's own quantiser.

    python -m benchmarks.compressors FOLDER [--dataset D] [--learner L]

FOLDER is where a study has trained L on D (``dvc repro``). Compresses that policy with
the parameters of ``params/compress/``, writes the files, and measures them all alike:
action error on rows held out and on states that the policy visits, bytes, latency,
score. ``compressors.json`` keeps the figures and docs/compressors.md is drawn from it
alone; without FOLDER only the page is.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import yaml
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from benchmarks.compressors_page import PEERS, page
from tasks.artifacts.files import write_json, write_text
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.params import build
from tasks.artifacts.policy import load_policy
from tasks.compress import Compressor
from tasks.compress.__main__ import read_rows
from tasks.compress.cores.visits import visits
from tasks.evaluate import Evaluator
from tasks.nets.policy import Policy
from tasks.statistics.verdict import judge_scores
from tasks.worlds.engine.recorded import recorded_world

ROOT = Path(__file__).parents[1]
KEPT, PAGE = ROOT / "benchmarks/compressors.json", ROOT / "docs/compressors.md"
VARIANTS = (
    *("float32", "w8", "int8_static", "gptq4", "qat4"),
    *("structured", "distill", "distill-int8_static", "quest"),
)
HELD_OUT = 4_096  # rows, and visited states a seed
EPISODES, THREADS = 16, 2
BATCHES = {1: 400, 256: 20}  # rows of a call: calls a round
ROUNDS = 41
DESCRIBED = ("cpu", "packages", "platform", "python")


def params(room: str, name: str) -> dict[str, Any]:
    """A block of params/."""
    text = (ROOT / f"params/{room}/{name}.yaml").read_text(encoding="utf-8")
    block: dict[str, Any] = yaml.safe_load(text)
    return block


class Files:
    """The files of one policy by all compressors, below a folder."""

    def __init__(self, out: Path, dataset: str, learner: str) -> None:
        self.out, self.dataset = out, dataset
        source = Path("data/policies") / dataset / learner
        self.parent, self.origin = load_policy(source)
        self.world = recorded_world(Path("data/datasets") / f"{dataset}-v0")
        self.seeds: list[int] = list(self.origin["seeds"])
        self.small: dict[str, Policy] = {}
        self.seconds: dict[str, float] = {}
        self.modes: dict[str, str] = {}

    def compress(self, variant: str) -> None:
        """One variant of the project's own; a chain takes its first part's result."""
        first, _, last = variant.rpartition("-")
        source = self.small[first] if first else self.parent
        compressor: Compressor[Any] = build(
            params("compress", last), f"compress.{last}"
        )
        rows = read_rows(
            self.dataset, self._count(last), source, self.origin, self.world
        )
        begun = time.process_time()
        self.small[variant], report = compressor.compress(source, rows[0])
        self.seconds[variant] = time.process_time() - begun
        self.modes[variant] = report["mode"]
        for k, seed in enumerate(self.seeds):
            model = build_model(self.small[variant], k)
            self._write(variant, seed, model, self._contract(variant, k))

    def quantise(self) -> None:
        """Onnxruntime's own: static and dynamic, of float graphs in two forms.

        The float32 files fold the normaliser into their first layer, which leaves one
        scale for observations in units of the world; with the normaliser as nodes
        before it onnxruntime does better.
        """
        rows = read_rows(
            self.dataset, self._count("int8_static"), self.parent, self.origin, None
        )[0].observations.numpy()
        work = self.out / "work"
        work.mkdir()
        plain, prepared, done = (work / f"{n}.onnx" for n in ("plain", "ready", "done"))
        for variant in PEERS:
            begun, self.modes[variant] = time.process_time(), "native"
            for k, seed in enumerate(self.seeds):
                folds = variant.endswith("folded")
                onnx.save(build_model(self.parent, k, folds=folds), plain)
                quant_pre_process(plain, prepared)
                if "static" in variant:
                    quantize_static(
                        *(prepared, done, Reader(rows)),
                        per_channel=True,
                        weight_type=QuantType.QInt8,
                        activation_type=QuantType.QUInt8,
                    )
                else:
                    quantize_dynamic(
                        *(prepared, done),
                        per_channel=True,
                        weight_type=QuantType.QInt8,
                    )
                contract = self._contract(variant, k)
                self._write(variant, seed, onnx.load(done), contract)
            self.seconds[variant] = time.process_time() - begun

    def open(self, variant: str) -> dict[int, OnnxPolicy]:
        """Its files, by seed, as the profile opens them.

        What onnxruntime made has operators that the project's own check refuses.
        """
        opened = {}
        for k, seed in enumerate(self.seeds):
            data = self._path(variant, seed).read_bytes()
            contract = self._contract(variant, k)
            opened[seed] = OnnxPolicy(data, contract, self.modes[variant])
        return opened

    def size(self, variant: str) -> int:
        """Bytes of the first seed's file, its contract included."""
        return self._path(variant, self.seeds[0]).stat().st_size

    def states(self) -> dict[str, Tensor]:
        """Where errors are measured, (S, N, O) each."""
        held = read_rows(self.dataset, HELD_OUT, self.parent, self.origin, None)[1]
        met = visits(self.world, self.parent, self.seeds, "held out", HELD_OUT)
        data = held.observations.expand(len(self.seeds), -1, -1)
        return {"data": data, "visited": met[0]["observation"]}

    def _count(self, name: str) -> int:
        """Rows that a compressor is calibrated on."""
        return int(params("compress", name).get("rows", 1000))

    def _contract(self, variant: str, k: int) -> dict[str, Any]:
        policy, hashes = self.small.get(variant, self.parent), "0" * 64
        origin = {**self.origin, "variant": variant}
        origin |= dict.fromkeys(("weights_sha256", "statistics_sha256"), hashes)
        return contract_of(policy, k, origin, self.modes[variant])

    def _path(self, variant: str, seed: int) -> Path:
        return self.out / variant / f"seed-{seed}.onnx"

    def _write(self, variant: str, seed: int, model: Any, contract: Any) -> None:
        path = self._path(variant, seed)
        path.parent.mkdir(exist_ok=True)
        write_onnx(path, model, contract)


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Rows for onnxruntime's calibration, 256 at a time."""

    def __init__(self, rows: np.ndarray) -> None:
        self.parts: Iterator[np.ndarray] = iter(
            np.array_split(rows, max(1, len(rows) // 256))
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next part, by the name of the input."""
        part = next(self.parts, None)
        return None if part is None else {"observation": part}


def errors(
    policies: Mapping[int, OnnxPolicy], parent: Policy, states: Mapping[str, Tensor]
) -> dict[str, float]:
    """Mean difference of the files' actions from the parent's, in half their range."""
    found = {}
    for where, observations in states.items():
        with torch.no_grad():
            wanted = parent(observations)
        unit = parent.action_unit.numpy()
        each = [
            np.abs(policy.act(observations[k].numpy()) - wanted[k].numpy()) / unit
            for k, policy in enumerate(policies.values())
        ]
        found[where] = float(np.mean(each))
    return found


def latencies(
    policies: Mapping[str, OnnxPolicy], rows: np.ndarray
) -> dict[str, dict[str, float]]:
    """Microseconds a call by variant and batch: medians of rounds in turns.

    Of the thread that computes, so that other work on the machine counts little.
    """
    taken: dict[str, dict[int, list[float]]] = {
        name: {size: [] for size in BATCHES} for name in policies
    }
    for _ in range(ROUNDS):
        for size, calls in BATCHES.items():
            feed = {"observation": np.ascontiguousarray(rows[:size])}
            for name, policy in policies.items():
                run, clock = policy.session.run, time.thread_time_ns
                begun = clock()
                for _ in range(calls):
                    run(None, feed)
                taken[name][size].append((clock() - begun) / calls / 1000)
    return {
        name: {str(size): float(np.median(times)) for size, times in of.items()}
        for name, of in taken.items()
    }


def measure(dataset: str, learner: str) -> dict[str, Any]:
    """All figures, of the project in the working directory."""
    with TemporaryDirectory() as place:
        files = Files(Path(place), dataset, learner)
        for variant in VARIANTS:
            files.compress(variant)
        files.quantise()
        states = files.states()
        opened = {variant: files.open(variant) for variant in files.modes}
        block = params("evaluate", "returns") | {"episodes": EPISODES}
        evaluator: Evaluator[Any] = build(
            block | {"threads": THREADS}, "evaluate.returns"
        )
        firsts = {name: next(iter(p.values())) for name, p in opened.items()}
        times = latencies(firsts, states["data"][0].numpy())
        played = {
            name: evaluator.run(files.world, policies, lambda *_: None)
            for name, policies in opened.items()
        }
        world = params("world", files.world.params.name)
        rows = []
        for name, policies in opened.items():
            judged = judge_scores(
                played[name], played["float32"], world, evaluator.params
            )
            summary = evaluator.summary(files.world, played[name])
            rows.append(
                {
                    "variant": name,
                    "action_error": errors(policies, files.parent, states),
                    "bytes": files.size(name),
                    "us": times[name],
                    "score": {k: summary["score"][k] for k in ("low", "iqm", "high")},
                    "terminated": summary["terminated"],
                    "change": {
                        "word": judged.word,
                        "mean": judged.difference,
                        "low": judged.low,
                        "high": judged.high,
                    },
                    "seconds": files.seconds[name],
                }
            )
        about = {
            "dataset": dataset,
            "learner": learner,
            "seeds": files.seeds,
            "updates": files.origin.get("updates"),
            "widths": [x.outputs for x in files.parent.linears().values()],  # type: ignore[misc]
            "episodes": EPISODES,
            "states": HELD_OUT,
            "onnxruntime": onnxruntime.__version__,
        }
    return about | {"rows": rows}


def main() -> None:
    """Measure, if there is a policy, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where a study ran")
    parser.add_argument("--dataset", default="halfcheetah_medium_replay")
    parser.add_argument("--learner", default="iql")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.folder:
        os.chdir(given.folder)
        environment = json.loads(Path("environment.json").read_text(encoding="utf-8"))
        found = measure(given.dataset, given.learner)
        found["environment"] = {key: environment[key] for key in DESCRIBED}
        write_json(KEPT, found)
    write_text(PAGE, page(json.loads(KEPT.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
