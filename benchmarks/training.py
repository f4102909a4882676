"""Training speed beside the machine's matrix-product rate: prints JSON.

    python -m benchmarks.training [--updates 60] [--repeats 3]

`make bench` runs it too. Updates x seeds per second of td3_bc and iql on random
transitions (11 observations, 3 actions, batch 256) with one thread, drawing of batches
included. The product rate is measured before and after every row, as other work on the
machine changes both; the best of the repeats counts.
"""

import argparse
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from tasks.artifacts.params import build
from tasks.train import Learner
from tasks.train._data import Sampler, pack, spaces
from tasks.train.engine import settle

O, A, N, BATCH = 11, 3, 100_000, 256  # noqa: E741 - shapes as in tasks/train
ROWS = [(256, 1), (256, 5), (64, 5)]  # width of two hidden layers, seeds
SIZE = 256  # of the square product
WARM_UP = 20
PARAMS = Path(__file__).parents[1] / "params/train"


def transitions() -> Any:
    """Random, with the fields of ``artifacts.dataset.Transitions`` that are read."""
    g = np.random.default_rng(0)
    normal = lambda *shape: g.standard_normal(shape, np.float32)  # noqa: E731
    return SimpleNamespace(
        observation=normal(N, O),
        next_observation=normal(N, O),
        action=np.tanh(normal(N, A)),
        reward=normal(N),
        terminated=(g.random(N) < 0.01).astype(np.float32),
        observation_mean=np.zeros(O, np.float32),
        observation_std=np.ones(O, np.float32),
        action_low=-np.ones(A, np.float32),
        action_high=np.ones(A, np.float32),
        returns=normal(100),
        dataset_id="random-v0",
        discrete=False,
    )


def product_rate(repeats: int = 200) -> float:
    """Float32 products of 256 x 256 matrices, in 10^9 operations a second."""
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    begun = time.perf_counter()
    for _ in range(repeats):
        torch.mm(a, b)
    return 2 * SIZE**3 * repeats / (time.perf_counter() - begun) / 1e9


def operations(learner: Learner, sample: Sampler) -> float:
    """Of the matrix products of one update and one seed, mean of two updates.

    Two, as TD3+BC moves its actor every second time. A layer with one output is no
    matrix product here and is not counted.
    """
    with FlopCounterMode(display=False) as counter:
        for step in (0, 1):
            learner.update(sample(step), step)
    return counter.get_total_flops() / 2 / len(learner.seeds)


def row(name: str, hidden: int, seeds: int, updates: int, repeats: int) -> Any:
    """One row of the table."""
    block = yaml.safe_load((PARAMS / f"{name}.yaml").read_text())
    block |= {k: [hidden] * 2 for k in ("actor_hidden", "critic_hidden")}
    data = transitions()
    learner: Learner = build(
        block,
        f"train.{name}",
        spaces=spaces(data),
        seeds=tuple(range(seeds)),
        updates=WARM_UP + updates * repeats,
    )
    sample = Sampler(pack(learner, data), learner, BATCH)
    gflop = operations(learner, sample) / 1e9
    for step in range(2, WARM_UP):
        learner.update(sample(step), step)
    speeds, rates = [], [product_rate()]
    for repeat in range(repeats):
        first = WARM_UP + repeat * updates
        begun = time.perf_counter()
        for step in range(first, first + updates):
            learner.update(sample(step), step)
        speeds.append(updates * seeds / (time.perf_counter() - begun))
        rates.append(product_rate())
    return {
        "learner": name,
        "hidden": [hidden] * 2,
        "seeds": seeds,
        "updates_x_seeds_per_second": round(max(speeds), 1),
        "product_gflops": round(max(rates), 1),
        "gflop_an_update": round(gflop, 4),
        "share_of_product_rate": round(max(speeds) * gflop / max(rates), 3),
    }


def measure(updates: int = 60, repeats: int = 3) -> dict[str, Any]:
    """All rows of the table; the best of the repeats counts."""
    settle()
    rows = [
        row(name, hidden, seeds, updates, repeats)
        for name in ("td3_bc", "iql")
        for hidden, seeds in ROWS
    ]
    return {"batch": BATCH, "rows": rows}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=60, help="a repeat, >= 1")
    parser.add_argument("--repeats", type=int, default=3, help=">= 1")
    given = parser.parse_args()
    print(json.dumps(measure(given.updates, given.repeats), indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
