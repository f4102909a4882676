"""A policy as a behaviour: an ONNX file of data/behaviors/, compared with torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.onnx_policy import (
    OnnxPolicy,
    build_model,
    contract_of,
    write_onnx,
)
from tasks.artifacts.parity import BEHAVIOR_TOLERANCE, check_parity
from tasks.artifacts.policy import statistics_sha256, weights_sha256
from tasks.nets.policy import Policy
from tasks.worlds import Floats


def write_behavior(
    path: Path, policy: Policy, k: int, origin: Mapping[str, Any], rows: Floats
) -> None:
    """Write one policy as ONNX, if it acts as the torch policy does.

    Args:
        path: The file; its contract is written beside it.
        policy: Of all seeds.
        k: Which seed's slice.
        origin: What it was made of, without a dataset.
        rows: Observations (N, O) to compare both on.

    Raises:
        RefusedError: If the actions differ by more than ``BEHAVIOR_TOLERANCE``.
    """
    about = {
        **origin,
        "dataset": "online",
        "dataset_sha256": "",
        "weights_sha256": weights_sha256(policy),
        "statistics_sha256": statistics_sha256(policy),
    }
    contract = contract_of(policy, k, about, "exact")
    model = build_model(policy, k, folds=False)
    candidate = OnnxPolicy(model.SerializeToString(), contract, "exact")
    draw = np.random.default_rng(0)
    parity = check_parity(path, policy, k, candidate, rows, draw, BEHAVIOR_TOLERANCE)
    write_onnx(path, model, {**contract, "parity": parity})
