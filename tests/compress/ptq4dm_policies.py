"""Diffusion policies rounded by PTQ4DM, in small batches."""

from typing import Any

from tasks.artifacts.onnx_policy import OnnxPolicy, build_model
from tasks.compress.ptq4dm.states import Draw
from tasks.nets.diffusion import DiffusionPolicy
from tests.compress.harness import make_compressor, make_rows

ROWS = 96


def compressed(policy: DiffusionPolicy, **changed: Any) -> tuple[Any, dict[str, Any]]:
    """By small batches; rows and seeds as the policy has them."""
    given = {"rows": ROWS, "batch": 32, **changed}
    rows = make_rows(ROWS, seeds=tuple(range(policy.seeds)))
    return make_compressor("ptq4dm", **given).compress(policy, rows)


def opened(policy: DiffusionPolicy, k: int, mode: str) -> OnnxPolicy:
    said = {
        "inputs": {n: {"shape": ["batch", w]} for n, w in policy.inputs().items()},
        "carry": {},
    }
    return OnnxPolicy(build_model(policy, k).SerializeToString(), said, mode)


def drawn(arm: str = "ndtc", seed: int = 1) -> Draw:
    return Draw(arm, 0.4, 0.4, seed)
