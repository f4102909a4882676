"""A decision problem small enough to be learned in a second."""

from typing import Any

import numpy as np
import torch

from tasks.train.engine.loop import train

from . import harness


def point(n: int = 2000, horizon: int = 3) -> Any:
    """A point on a line, moved by half the action, wants to be at 0; random actions.

    Reward -x'^2; every third step the time is up, which is no termination.
    """
    g = np.random.default_rng(0)
    x = g.uniform(-1, 1, (n, 1)).astype(np.float32)
    action = g.uniform(-1, 1, (n, 1)).astype(np.float32)
    after = x + action / 2
    return harness.transitions(
        observation=x,
        next_observation=after,
        action=action,
        reward=-(after[:, 0] ** 2),
        terminated=np.zeros(n, np.float32),
        observation_mean=np.zeros(1, np.float32),
        observation_std=np.ones(1, np.float32),
        action_low=-np.ones(1, np.float32),
        action_high=np.ones(1, np.float32),
        episode=np.arange(n) // horizon,
        returns=np.array([-3.0, 0.0], np.float32) * horizon,
    )


def point_return(name: str, updates: int = 400, **override: Any) -> float:
    """Mean return over three steps of a policy trained on :func:`point`."""
    data = point()
    small = {k: [32, 32] for k in ("actor_hidden", "critic_hidden")}
    small = {k: v for k, v in small.items() if k in harness.block(name)}
    learner = harness.make(name, (0,), updates, data, **{**small, **override})
    train(learner, data, updates, batch=64)
    x = torch.linspace(-1, 1, 101)[None, :, None]
    total = torch.zeros(())
    with torch.no_grad():
        for _ in range(3):
            x = x + learner.policy()(x) / 2
            total = total - x.square().mean()
    return float(total)
