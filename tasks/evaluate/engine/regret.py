"""Regret of tables: how much less a file is worth than the best policy of its world.

Where a world has ``exact()`` and a file's contract says that it is a table, its value
is computed and not played: the file is asked for its action in every state. Each
training seed was a trial, so the interval is over trials. Smaller is better, 0 the
best there is, in units of the world and no score.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.formats import Regret
from tasks.artifacts.onnx_policy import OnnxPolicy
from tasks.statistics.replicates import mean_of
from tasks.worlds import World, require
from tasks.worlds.cores.exact import Exact

TRIAL = "trial"
MEND = "learn and export it again with: dvc repro"


def regret(
    world: World, policies: Mapping[int, OnnxPolicy], files: Mapping[int, Path]
) -> Regret | None:
    """The block ``regret`` of metrics.json; None of what is no table.

    Args:
        world: Where they act.
        policies: One a trial, by its seed.
        files: Where each of them lies, for errors.

    Raises:
        RefusedError: If the world knows no optimum, or has other states than the table.
    """
    if not all(is_table(policy) for policy in policies.values()):
        return None
    exact: Exact = require(world, "exact")()
    by_seed = {
        seed: exact.regret(actions(policy, exact, files[seed]))
        for seed, policy in sorted(policies.items())
    }
    values = np.array(list(by_seed.values()))
    low = mean = high = float(values.mean())
    if len(values) > 1:
        spread = mean_of(values)
        low, high = spread.low, spread.high
    return {
        "unit": exact.unit,
        "replicate": TRIAL,
        "n": len(values),
        "computed": exact.computed,
        "optimum": exact.optimum,
        "mean": mean,
        "low": low,
        "high": high,
        "per_seed": [{"seed": k, "regret": v} for k, v in by_seed.items()],
    }


def is_table(policy: OnnxPolicy) -> bool:
    """Whether a file's contract says that it is a table."""
    return "states" in policy.contract.get("learned", {})


def actions(policy: OnnxPolicy, exact: Exact, path: Path) -> np.ndarray:
    """What a file does in every state of a world, (states,).

    Raises:
        RefusedError: If its table has other states than the world.
    """
    states = policy.contract["learned"]["states"]
    if states != exact.states:
        expected = f"{exact.states}, the states of the world"
        raise RefusedError(path, "learned.states", states, expected, MEND)
    return policy.act(exact.observations()).astype(np.int64)
