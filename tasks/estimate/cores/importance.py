"""Importance weights of logged episodes, a row an episode, a column a step.

With the policy π and the behaviour b, the per-decision weight of episode i at step t is

    ρ_i,t = Π_{k<=t} π(a_i,k | s_i,k) / b(a_i,k | s_i,k),   w_i,t = ρ_i,t / Σ_j ρ_j,t

An episode that has ended keeps the weight of its last step and earns nothing, as if it
rested in an absorbing state, so that every column compares all episodes. Weights stay
logarithms until they are divided: over a thousand steps they leave float64's range.

Shapes: E episodes, T steps of the longest, N steps of all.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.density import scaled
from tasks.artifacts.errors import RefusedError
from tasks.estimate import Doubles, Target, begins

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

TINY = 1e-200  # a sum of weights, the largest of all episodes being 1


def spread(data: "Transitions", values: Any) -> Doubles:
    """One value a step (N,) as a table (E, T), 0 after an episode's end."""
    first = begins(data)
    step = np.arange(len(data.episode)) - np.repeat(
        first, np.diff(first, append=len(data.episode))
    )
    table = np.zeros((len(first), int(step.max()) + 1))
    table[np.cumsum(step == 0) - 1, step] = values
    return table


def log_weights(data: "Transitions", target: Target, noise: float) -> Doubles:
    """Log of the product of pi(a|s) / b(a|s) up to and with each step: (E, T).

    Args:
        data: With ``log_prob``.
        target: The policy that is judged, with noise.
        noise: Its noise, for the error.

    Raises:
        RefusedError: If the data does not know how likely its actions were, or the
            policy is deterministic.
    """
    if data.log_prob is None:
        raise RefusedError(
            data.dataset_id,
            "infos/log_prob",
            "nothing",
            "how likely each logged action was",
            "generate the data with noise > 0 and policies of a gaussian head or "
            "with Gaussian noise, or estimate with fqe, which needs none",
        )
    if not noise > 0:
        raise RefusedError(
            "evaluate",
            "noise",
            noise,
            "more than 0: a deterministic policy never takes a logged action",
            "set noise, or estimate with fqe",
        )
    action = scaled(data.action, data.action_low, data.action_high)
    ratio = target(data.observation).log_prob(action) - data.log_prob
    return np.cumsum(spread(data, ratio), axis=1)


def weighted(log_weight: Doubles, values: Doubles, discount: float) -> float:
    """The sum over steps t of discount^t times the weighted mean of values at t.

    Args:
        log_weight: (E, T).
        values: (E, T).
        discount: Per step.
    """
    w = np.exp(log_weight - log_weight.max(axis=0))  # the largest is 1
    means = (w * values).sum(axis=0) / w.sum(axis=0)
    return float(means @ discount ** np.arange(len(means)))


def resampler(
    log_weight: Doubles, values: Doubles, discount: float
) -> Callable[[NDArray[np.int64]], float]:
    """What :func:`weighted` gives for drawn episodes, made quick to ask many times.

    Weights are made once, against the largest of all episodes; where none of the drawn
    ones is within float64's reach of it, they are made again for these steps.
    """
    gamma = discount ** np.arange(values.shape[1])
    w = np.exp(log_weight - log_weight.max(axis=0))
    earned = w * values

    def value(draw: NDArray[np.int64]) -> float:
        counts = np.bincount(draw, minlength=len(w)).astype(np.float64)
        above, below = counts @ earned, counts @ w
        lost = below < TINY
        if lost.any():
            drawn = np.flatnonzero(counts)
            logs = log_weight[np.ix_(drawn, lost)]
            again = counts[drawn, None] * np.exp(logs - logs.max(axis=0))
            above[lost] = (again * values[np.ix_(drawn, lost)]).sum(axis=0)
            below[lost] = again.sum(axis=0)
        return float((above / below) @ gamma)

    return value


def effective(log_weight: Doubles) -> Doubles:
    """Effective sample size at each step, (Σ w)^2 / Σ w^2, 1..E: (T,).

    Source: Kish 1965.
    """
    w = np.exp(log_weight - log_weight.max(axis=0))
    return np.asarray(w.sum(axis=0) ** 2 / (w**2).sum(axis=0))


def sizes(log_weight: Doubles) -> dict[str, Any]:
    """How many episodes the weights leave: at the end, and where half were left.

    Returns:
        ``episodes`` E, ``at_end``, and ``half_at``, the first step with fewer than
        E / 2, null if there is none.
    """
    effective_size = effective(log_weight)
    below = np.flatnonzero(effective_size < len(log_weight) / 2)
    return {
        "episodes": len(log_weight),
        "at_end": float(effective_size[-1]),
        "half_at": int(below[0]) if len(below) else None,
    }
