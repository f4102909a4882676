"""Episodes of chosen lengths, returns and starts, whose borders hold."""

from typing import Any

import numpy as np

from . import harness


def mixed(
    returns: Any, lengths: Any, starts: Any = None, seed: int = 0, **replace: Any
) -> Any:
    """A dataset of n episodes.

    Args:
        returns: (n,); all of an episode's reward comes in its last step.
        lengths: (n,).
        starts: First observations (n, O); random ones if None.
        seed: Of what is random.
        **replace: Fields of the transitions.
    """
    g = np.random.default_rng(seed)
    lengths, returns = np.array(lengths), np.array(returns, np.float64)
    if starts is None:
        starts = g.standard_normal((len(lengths), harness.O))
    observations, after, reward = [], [], []
    for start, length, value in zip(starts, lengths, returns, strict=True):
        walk = start + np.cumsum(g.standard_normal((length + 1, len(start))), axis=0)
        walk = (walk - walk[0] + start).astype(np.float32)
        observations.append(walk[:-1])
        after.append(walk[1:])
        reward.append(np.append(np.zeros(length - 1), value))
    n = int(lengths.sum())
    fields = {
        "observation": np.concatenate(observations),
        "next_observation": np.concatenate(after),
        "reward": np.concatenate(reward).astype(np.float32),
        "returns": returns,
        "episode": np.repeat(np.arange(len(lengths)), lengths),
        "terminated": np.zeros(n, np.float32),
    }
    return harness.transitions(n, **{**fields, **replace})
