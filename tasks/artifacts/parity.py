"""The parity gate: the file must act as the network it was made from.

Most exports that "act differently" lost a normaliser, a scaling or a squashing, and
show nothing on zeros. So torch and onnxruntime are compared on real observations, on
extremes and on random ones, at several batch sizes, through the whole policy.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.nets.policy import Policy

BATCHES = (1, 2, 7, 17)
RANDOM_ROWS = 256


def probe_rows(
    rows: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Observations to compare on: (N, O) real ones, extremes, random ones.

    Extremes are each dimension at its smallest, its largest and at five standard
    deviations to either side, the others at their mean; random rows are normal with
    three times the data's deviation.
    """
    mean, std = rows.mean(0), rows.std(0) + 1e-3
    extremes = []
    for i in range(rows.shape[1]):
        ends = (
            rows[:, i].min(),
            rows[:, i].max(),
            mean[i] - 5 * std[i],
            mean[i] + 5 * std[i],
        )
        for value in ends:
            row = mean.copy()
            row[i] = value
            extremes.append(row)
    random = mean + 3 * std * generator.standard_normal((RANDOM_ROWS, len(mean)))
    return np.concatenate([rows, np.array(extremes), random]).astype(np.float32)


def check_parity(
    path: Path,
    policy: Policy,
    k: int,
    onnx_policy: OnnxPolicy,
    rows: NDArray[np.float32],
    generator: np.random.Generator,
    tolerance: float,
) -> dict[str, Any]:
    """Compare seed slice ``k`` with its ONNX file.

    Of a discrete policy the logits are compared, under random masks if it reads one;
    its action must be the same wherever the two best logits differ by more than
    twice the tolerance.

    Args:
        path: For the error.
        policy: Torch, all seeds.
        k: The slice.
        onnx_policy: The file, in exact mode.
        rows: (N, O), N >= 1000 dataset observations.
        generator: For random rows and noise.
        tolerance: Largest difference allowed, relative to max(1, |action|).

    Returns:
        rows, batches, max and p99 of the difference, tolerance: the contract's
        ``parity``.

    Raises:
        RefusedError: If a difference is larger; nothing is written then.
    """
    probes = probe_rows(rows, generator)
    inputs = {"observation": probes}
    shape = (len(probes), policy.action_width)
    if "noise" in policy.inputs():
        inputs["noise"] = generator.standard_normal(shape, np.float32)
    if "legal" in policy.inputs():
        mask = generator.random(shape) < 0.5
        mask[np.arange(len(mask)), generator.integers(0, shape[1], len(mask))] = True
        inputs["legal"] = mask.astype(np.float32)
    name = "logits" if policy.discrete else "action"
    told = _torch_outputs(policy, k, inputs)
    wanted = told[name]
    scale = np.maximum(1.0, np.abs(wanted))
    sure = _sure(wanted, tolerance) if policy.discrete else None
    worst, differences, others = 0.0, np.zeros(0), 0
    for batch in (*BATCHES, len(probes)):
        # Small batches see a part of the rows, each size another part.
        count = len(probes) if batch == len(probes) else batch * 32
        picked = generator.permutation(len(probes))[:count]
        parts = [
            onnx_policy.step({n: x[i] for n, x in inputs.items()}, {})[0]
            for i in np.array_split(picked, -(-count // batch))
        ]
        got = np.concatenate([part[name] for part in parts])
        differences = np.abs(got - wanted[picked]) / scale[picked]
        worst = float(np.maximum(worst, differences.max()))  # NaN stays NaN
        if sure is not None:
            chosen = np.concatenate([part["action"] for part in parts])
            others += int(((chosen != told["action"][picked]) & sure[picked]).sum())
    if not worst <= tolerance:
        raise RefusedError(
            path,
            "parity",
            f"a difference of {worst:.3g} between torch and onnxruntime",
            f"at most {tolerance:g}",
            "report it: the exported graph is not the trained policy",
        )
    if others:
        raise RefusedError(
            path,
            "parity",
            f"{others} other actions in onnxruntime than in torch",
            "the same where one is clearly best",
            "report it: the exported graph is not the trained policy",
        )
    return {
        "rows": len(probes),
        "batches": list(BATCHES),
        "max": worst,
        "p99": float(np.quantile(differences, 0.99)),
        "tolerance": tolerance,
    }


def _sure(logits: NDArray[np.float32], tolerance: float) -> NDArray[np.bool_]:
    """Where the two best of (N, A) logits differ by more than both may be off; (N,)."""
    if logits.shape[1] == 1:
        return np.ones(len(logits), bool)
    second, best = np.sort(logits, axis=1)[:, -2:].T
    clear: NDArray[np.bool_] = best - second > 2 * tolerance * np.maximum(
        1.0, np.maximum(np.abs(best), np.abs(second))
    )
    return clear


def _torch_outputs(
    policy: Policy, k: int, inputs: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[Any]]:
    """Outputs (N, ...) of slice ``k``; the whole stack is run, one slice is kept."""
    given = {
        name: torch.from_numpy(value).expand(policy.seeds, *value.shape)
        for name, value in inputs.items()
    }
    with torch.no_grad():
        outputs = policy.step(given, {})[0]
    return {name: value[k].numpy() for name, value in outputs.items()}
