"""The files of one policy by every compressor, and by onnxruntime's own quantiser."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from benchmarks.compressors_page import PEERS
from tasks.artifacts.onnx_policy import OnnxPolicy, build_model, contract_of, write_onnx
from tasks.artifacts.params import build
from tasks.artifacts.policy import load_policy
from tasks.compress import Compressor
from tasks.compress.__main__ import read_rows
from tasks.compress.cores.visits import visits
from tasks.nets.policy import Policy
from tasks.worlds.engine.recorded import recorded_world

ROOT = Path(__file__).parents[1]
HELD_OUT = 4_096  # rows, and visited states a seed


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
