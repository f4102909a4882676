"""Eight Gaussians on a ring: how well one step keeps apart what the data keep apart.

Cloning alone, no observation to speak of, 2-D actions. Run as a program it compares the
flow ratios: ``python -m tests.train.ring --updates 5000``. One-step samples then were

| flow ratio | mean distance to the nearest mode | within 4 deviations | modes |
|---|---|---|---|
| 1.0, plain flow | 0.45 | 3 % | 0 of 8 |
| 0.5 | 0.21 | 25 % | 7 |
| 0.0 | 0.19 | 28 % | 8 |

(3x96 units, batch 256, one seed, times multiplied by 10). With times multiplied by 100
the derivative in time is rougher: after 1 500 updates 0.31 at ratio 0.5 and 0.43 at 0,
against 0.29 and 0.29 with 10.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.nets.diffusion import DiffusionPolicy
from tasks.train.engine.minibatches import batches
from tasks.train.ofql import OFQL

from . import harness

RADIUS, SPREAD = 0.7, 0.03  # halves of the action range; deviation of a mode


def centres() -> Tensor:
    """(8, 2)."""
    angles = torch.arange(8) * math.tau / 8
    return RADIUS * torch.stack([angles.cos(), angles.sin()], 1)


def data(n: int = 20_000) -> Any:
    """Rows of which only the action matters; one a step, all of them truncated."""
    g = np.random.default_rng(3)
    mode = centres().numpy()[g.integers(0, 8, n)]
    action = mode + SPREAD * g.standard_normal((n, 2))
    zeros = np.zeros((n, 1), np.float32)
    return harness.transitions(
        n,
        observation=zeros,
        next_observation=zeros,
        action=action.astype(np.float32),
        reward=np.zeros(n, np.float32),
        terminated=np.zeros(n, np.float32),
        observation_mean=np.zeros(1, np.float32),
        observation_std=np.ones(1, np.float32),
        action_low=-np.ones(2, np.float32),
        action_high=np.ones(2, np.float32),
        episode=np.arange(n),
    )


@dataclass(frozen=True)
class Found:
    """Of one-step samples.

    Attributes:
        distance: To the nearest mode's centre, mean, in deviations of the data.
        near: Share within 4 deviations of one.
        modes: Modes that have at least 2 % of those.
    """

    distance: float
    near: float
    modes: int


def judge(policy: DiffusionPolicy, samples: int = 4000) -> Found:
    """Look at what one call of the network makes of noise, first seed."""
    draw = torch.Generator().manual_seed(9)
    noise = torch.randn(1, samples, 2, generator=draw)
    with torch.no_grad():
        action = policy(torch.zeros(1, samples, 1), noise)[0]
    apart = torch.cdist(action, centres()) / SPREAD  # (samples, 8)
    nearest, mode = apart.min(1)
    near = nearest < 4
    counts = torch.bincount(mode[near], minlength=8) / samples
    return Found(
        float(nearest.mean()), float(near.float().mean()), int((counts > 0.02).sum())
    )


def clone(updates: int, batch: int = 256, **override: Any) -> OFQL:
    """OFQL's imitation alone, 3 x 96 units unless told otherwise."""
    rows = data()
    small = {"actor_hidden": [96] * 3, "actor_rate": 1e-3, "clip_norm": 0.0}
    learner: OFQL = harness.make("ofql", (0,), updates, rows, **(small | override))
    sample = batches(learner, rows, batch)
    for step in range(updates):
        learner.descend("actor", learner.imitation(sample(step)))
    return learner


def main() -> None:
    """Print a line a flow ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=5000)
    updates = parser.parse_args().updates
    for ratio in (1.0, 0.5, 0.0):
        found = judge(clone(updates, flow_ratio=ratio).actor)
        sys.stdout.write(
            f"flow ratio {ratio}: distance {found.distance * SPREAD:.3f}, "
            f"{found.near:.0%} within 4 deviations of a mode, {found.modes} modes\n"
        )


if __name__ == "__main__":
    main()
