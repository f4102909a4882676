"""Made-up logged episodes, and policies that are no network."""

from typing import Any

import numpy as np

from tasks.artifacts.density import Gaussian
from tasks.artifacts.params import build
from tasks.artifacts.transitions import Transitions
from tests.variant_files import method


def transitions(
    rewards: list[list[float]],
    terminated: list[bool],
    observation: Any = None,
    action: Any = None,
    after: Any = None,
    log_prob: Any = None,
) -> Transitions:
    """Episodes by their rewards; actions in [-1, 1], one-dimensional unless given."""
    lengths = [len(one) for one in rewards]
    n, episode = sum(lengths), np.repeat(np.arange(len(rewards)), lengths)
    o = np.arange(n)[:, None] / n if observation is None else np.asarray(observation)
    a = np.zeros((n, 1)) if action is None else np.asarray(action)
    ends = np.zeros(n, np.float32)
    ends[np.cumsum(lengths) - 1] = terminated
    width, actions = o.shape[1], a.shape[1]
    f = np.float32
    return Transitions(
        observation=o.astype(f),
        action=a.astype(f),
        reward=np.concatenate(rewards).astype(f),
        next_observation=(o + 1 / n if after is None else np.asarray(after)).astype(f),
        terminated=ends,
        episode=episode,
        observation_mean=np.zeros(width, f),
        observation_std=np.ones(width, f),
        action_low=-np.ones(actions, f),
        action_high=np.ones(actions, f),
        returns=np.array([sum(one) for one in rewards]),
        dataset_id="logged-v0",
        sha256="ab" * 32,
        log_prob=log_prob,
    )


def constant(mean: float, std: float, squashed: bool = False) -> Any:
    """A policy that looks at nothing, one action wide."""

    def act(observation: Any) -> Gaussian:
        shape = (len(observation), 1)
        return Gaussian(np.full(shape, mean), np.full(shape, std), squashed)

    return act


def estimator(name: str, **changes: Any) -> Any:
    """Of params/estimate, with changes."""
    return build(method("estimate", name, **changes), f"estimate.{name}")


def quiet(*_: Any) -> None:
    """Progress that nobody watches."""
