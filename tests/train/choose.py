"""Tiny discrete data, and a decision problem small enough to be learned in a second."""

from typing import Any

import numpy as np
import torch

from tasks.train.engine.loop import train

from . import harness

C = 4  # actions of the tiny data
MOVES = np.array([-0.5, 0.0, 0.5], np.float32)


def choices(n: int = 96, masked: bool = True, **replace: Any) -> Any:
    """Those of the harness with one of C actions, and masks that allow it."""
    g = np.random.default_rng(8)
    action = np.eye(C, dtype=np.float32)[g.integers(0, C, n)]
    mask = (g.random((2, n, C)) < 0.6).astype(np.float32)
    mask[1, np.arange(n), g.integers(0, C, n)] = 1
    fields: dict[str, Any] = {
        "action": action,
        "action_low": np.zeros(C, np.float32),
        "action_high": np.ones(C, np.float32),
        "discrete": True,
    }
    if masked:
        fields |= {"legal": np.maximum(mask[0], action), "next_legal": mask[1]}
    return harness.transitions(n, **{**fields, **replace})


def masks(x: np.ndarray) -> np.ndarray:
    """Left is forbidden left of -0.5, right is forbidden right of 0.5: (N, 3)."""
    rows = np.ones((len(x), 3), np.float32)
    rows[x[:, 0] < -0.5, 0] = 0
    rows[x[:, 0] > 0.5, 2] = 0
    return rows


def walk(n: int = 2000, masked: bool = True) -> Any:
    """A point on a line that goes left, stays or goes right; random legal choices.

    Reward -x'^2; every third step the time is up, which is no termination.
    """
    g = np.random.default_rng(0)
    x = g.uniform(-1, 1, (n, 1)).astype(np.float32)
    legal = masks(x) if masked else np.ones((n, 3), np.float32)
    chosen = (g.random((n, 3)) * legal).argmax(1)
    after = x + MOVES[chosen, None]
    return harness.transitions(
        observation=x,
        next_observation=after,
        action=np.eye(3, dtype=np.float32)[chosen],
        reward=-(after[:, 0] ** 2),
        terminated=np.zeros(n, np.float32),
        observation_mean=np.zeros(1, np.float32),
        observation_std=np.ones(1, np.float32),
        action_low=np.zeros(3, np.float32),
        action_high=np.ones(3, np.float32),
        returns=np.array([-9.0, 0.0], np.float32),
        discrete=True,
        legal=legal if masked else None,
        next_legal=masks(after) if masked else None,
    )


def walk_return(name: str, updates: int = 400, **override: Any) -> float:
    """Mean return over three steps of a policy trained on :func:`walk`.

    Standing still gets -0.99 or less, the best choices -0.1; a forbidden one fails.
    """
    data = walk()
    small = {k: [32, 32] for k in ("actor_hidden", "critic_hidden")}
    small = {k: v for k, v in small.items() if k in harness.block(name)}
    learner = harness.make(name, (0,), updates, data, **{**small, **override})
    train(learner, data, updates, batch=64)
    x, total = torch.linspace(-1, 1, 101)[None, :, None], 0.0
    with torch.no_grad():
        for _ in range(3):
            legal = torch.from_numpy(masks(x[0].numpy()))[None]
            action = learner.policy()(x, legal=legal)
            assert (legal.gather(-1, action[..., None]) == 1).all()
            x = x + torch.from_numpy(MOVES)[action][..., None]
            total -= float(x.square().mean())
    return total
