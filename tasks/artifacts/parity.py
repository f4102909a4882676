"""The parity gate: the file must act as the network it was made from.

Most exports that "act differently" lost a normaliser, a scaling or a squashing, and
show nothing on zeros. So torch and onnxruntime are compared on real observations, on
extremes and on random ones, at several batch sizes, through the whole policy.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.artifacts.transitions import divisor
from tasks.nets.policy import Policy, take

# the largest difference allowed, relative to max(1, |action|): of files a run makes
# (params/export/feedforward.yaml states it for the user), and of behaviours, which are
# made once and lie in git
TOLERANCE, BEHAVIOR_TOLERANCE = 1e-4, 1e-5
BATCHES = (1, 2, 7, 17)
RANDOM_ROWS = 256
ROLLOUT = 64  # steps a policy with a carry is followed


def probe_rows(
    rows: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Observations to compare on: (N, O) real ones, extremes, random ones.

    Extremes are each dimension at its smallest, its largest and at five standard
    deviations to either side, the others at their mean; random rows are normal with
    three times the data's deviation.
    """
    mean = rows.mean(0, dtype=np.float64)
    std = divisor(rows.std(0, dtype=np.float64), np.abs(rows).max(0))
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
        wide = (len(probes), policy.inputs()["noise"])
        inputs["noise"] = generator.standard_normal(wide, np.float32)
    if "legal" in policy.inputs():
        mask = generator.random(shape) < 0.5
        mask[np.arange(len(mask)), generator.integers(0, shape[1], len(mask))] = True
        inputs["legal"] = mask.astype(np.float32)
    for name, (low, high) in policy.ranges().items():
        ends = low.numpy(), high.numpy()
        drawn = generator.uniform(*ends, (len(probes), len(low)))
        inputs[name] = drawn.astype(np.float32)
    name = "logits" if policy.discrete else "action"
    ours = _torch_outputs(policy, k, inputs)
    expected = ours[name]
    scale = np.maximum(1.0, np.abs(expected))
    clear = _clear(expected, tolerance) if policy.discrete else None
    worst, differences, others = 0.0, np.zeros(0), 0
    for batch in (*BATCHES, len(probes)):
        # Small batches see a part of the rows, each size another part.
        count = len(probes) if batch == len(probes) else batch * 32
        picked = generator.permutation(len(probes))[:count]
        parts = [
            onnx_policy.step({n: x[i] for n, x in inputs.items()}, {})[0]
            for i in np.array_split(picked, -(-count // batch))
        ]
        theirs = np.concatenate([part[name] for part in parts])
        differences = np.abs(theirs - expected[picked]) / scale[picked]
        worst = float(np.maximum(worst, differences.max()))  # NaN stays NaN
        if clear is not None:
            chosen = np.concatenate([part["action"] for part in parts])
            others += int(((chosen != ours["action"][picked]) & clear[picked]).sum())
    result = _result(path, len(probes), worst, differences, tolerance)
    if others:
        raise RefusedError(
            path,
            "parity",
            f"{others} other actions in onnxruntime than in torch",
            "the same where one is clearly best",
            "report it: the exported graph is not the trained policy",
        )
    return result


def check_carried_parity(
    path: Path,
    policy: Policy,
    k: int,
    onnx_policy: OnnxPolicy,
    rows: NDArray[np.float32],
    rewards: NDArray[np.float32],
    generator: np.random.Generator,
    tolerance: float,
) -> dict[str, Any]:
    """Compare a policy that carries state, over whole rollouts from the reset.

    Torch and onnxruntime each carry their own state through 64 steps, at every batch
    size on stretches of the dataset and once more, at the largest, on extremes and
    random rows. All outputs and the whole next carry are compared at every step.

    Args:
        path: The file, for errors.
        policy: All seeds stacked.
        k: The slice that became the file.
        onnx_policy: The file.
        rows: (N, O), all observations of the dataset in their order.
        rewards: (N,), of the same steps.
        generator: For random rows, stretches and noise.
        tolerance: Largest difference allowed, relative to max(1, |value|).

    Returns:
        rows (the steps compared), batches, max and p99 of the difference, tolerance:
        the contract's ``parity``.

    Raises:
        RefusedError: If a difference is larger; nothing is written then.
    """
    alone = take(policy, k)
    stretch = np.arange(ROLLOUT)
    probes = probe_rows(rows, generator)[len(rows) :]
    parts, steps = [], 0
    for batch, real in (*((b, True) for b in BATCHES), (BATCHES[-1], False)):
        at = generator.integers(0, len(rows), batch)[:, None] + stretch
        reward = rewards[at % len(rows)].astype(np.float32)[..., None]
        if real:
            observation = rows[at % len(rows)]  # (B, T, O)
        else:
            observation = probes[generator.integers(0, len(probes), at.shape)]
        inputs = {"observation": observation, "reward": np.roll(reward, 1, axis=1)}
        inputs["reward"][:, 0] = 0
        if "noise" in policy.inputs():
            shape = (*at.shape, policy.inputs()["noise"])
            inputs["noise"] = generator.standard_normal(shape, np.float32)
        if "legal" in policy.inputs():
            legal = generator.random((*at.shape, policy.action_width)) < 0.5
            legal[..., 0] = True
            inputs["legal"] = legal.astype(np.float32)
        parts += _rollout_differences(alone, onnx_policy, inputs, tolerance)
        steps += at.size
    differences = np.concatenate(parts)
    return _result(path, steps, float(differences.max()), differences, tolerance)


def _rollout_differences(
    policy: Policy,
    onnx_policy: OnnxPolicy,
    inputs: Mapping[str, NDArray[np.float32]],
    tolerance: float,
) -> list[NDArray[np.float32]]:
    """Differences of each step and episode (B,), the largest of all that comes out.

    A discrete action counts where one logit is clearly the best.
    """
    batch, steps = inputs["observation"].shape[:2]
    theirs = onnx_policy.reset(batch)
    ours = {
        name: torch.full((1, batch, *entry.shape), entry.reset)
        for name, entry in policy.carry().items()
    }
    worst = []
    for t in range(steps):
        now = {
            name: np.ascontiguousarray(x[:, t])
            for name, x in inputs.items()
            if name in policy.inputs()
        }
        with torch.no_grad():
            stacked = {name: torch.from_numpy(x)[None] for name, x in now.items()}
            our_outputs, ours = policy.step(stacked, ours)
        their_outputs, theirs = onnx_policy.step(now, theirs)
        if policy.discrete:
            clear = _clear(our_outputs["logits"][0].numpy(), tolerance)
            ours_acted = our_outputs["action"][0].numpy()
            acted = np.where(clear, their_outputs["action"], ours_acted)
            their_outputs = {**their_outputs, "action": acted}
        pairs = [(their_outputs[name], our_outputs[name]) for name in their_outputs]
        pairs += [(theirs[name], ours[name]) for name in theirs]
        worst.append(np.max([_difference(x, y[0].numpy()) for x, y in pairs], axis=0))
    return worst


def _difference(theirs: NDArray[np.float32], ours: NDArray[np.float32]) -> Any:
    """Largest difference a row relative to max(1, |ours|): (B,)."""
    difference = np.abs(theirs - ours) / np.maximum(1.0, np.abs(ours))
    return difference.reshape(len(theirs), -1).max(axis=1)


def _result(
    path: Path,
    rows: int,
    worst: float,
    differences: NDArray[np.floating],
    tolerance: float,
) -> dict[str, Any]:
    """What the contract says, or the refusal."""
    if not worst <= tolerance:
        raise RefusedError(
            path,
            "parity",
            f"a difference of {worst:.3g} between torch and onnxruntime",
            f"at most {tolerance:g}",
            "report it: the exported graph is not the trained policy",
        )
    largest, p99 = (f"{x:.3g}" for x in (worst, np.quantile(differences, 0.99)))
    return {
        "rows": rows,
        "batches": list(BATCHES),
        "max": float(largest),
        "p99": float(p99),
        "tolerance": tolerance,
    }


def _clear(logits: NDArray[np.float32], tolerance: float) -> NDArray[np.bool_]:
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
    stacked = {
        name: torch.from_numpy(value).expand(policy.seeds, *value.shape)
        for name, value in inputs.items()
    }
    with torch.no_grad():
        outputs = policy.step(stacked, {})[0]
    return {name: value[k].numpy() for name, value in outputs.items()}
