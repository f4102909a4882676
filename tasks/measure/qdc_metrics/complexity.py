"""Complexity: how hard a behaviour is to describe or to learn.

Shapes: T steps, O observation, A action, n episodes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.measure.qdc_metrics.figures import Bootstrap, Doubles, Measure

HORIZON = 0.9  # share of the final return


def horizon(rewards: NDArray[Any]) -> int:
    """Steps until the return so far has reached 90 % of its final value.

    For a negative final return the same share of it, so that a return that falls
    steadily counts as one that rises steadily. T where the final return is 0.
    """
    total = np.cumsum(rewards, dtype=np.float64)
    if total[-1] == 0:
        return len(rewards)
    return int(np.argmax(total / total[-1] >= HORIZON)) + 1


def switching(actions: Doubles) -> float:
    """Sign changes an action dimension and 100 steps, (T, A) in [-1, 1].

    A zero has the sign of what went before; none where T is 1.
    """
    if len(actions) < 2:
        return 0.0
    sign = np.sign(actions)
    rows = np.where(sign != 0, np.arange(len(sign))[:, None], 0)
    held = np.take_along_axis(sign, np.maximum.accumulate(rows, axis=0), axis=0)
    return float(100 * (held[1:] * held[:-1] < 0).sum(0).mean() / (len(sign) - 1))


def choices(actions: NDArray[Any]) -> float:
    """Changes of a discrete action in 100 steps, (T,)."""
    if len(actions) < 2:
        return 0.0
    return float(100 * (actions[1:] != actions[:-1]).mean())


def dimension(
    sums: Doubles, squares: Doubles, lengths: Doubles, boot: Bootstrap
) -> Measure:
    """Effective dimension of the states: (sum l)^2 / sum l^2 of their covariance.

    Args:
        sums: (n, O), of an episode's standardised states.
        squares: (n, O, O), of their outer products.
        lengths: (n,), states in each.
        boot: Of the n.
    """
    n, o = sums.shape

    def of(counts: Doubles) -> Doubles:
        total = counts @ lengths
        mean = counts @ sums / total[:, None]
        second = (counts @ squares.reshape(n, -1)).reshape(-1, o, o)
        spread = second / total[:, None, None] - mean[:, :, None] * mean[:, None, :]
        trace = np.trace(spread, axis1=1, axis2=2)
        power = (spread**2).sum((1, 2))  # sum of squared eigenvalues
        return np.divide(trace**2, power, out=np.ones_like(trace), where=power > 1e-20)

    value = float(of(np.ones((1, n)))[0])
    draws = of(boot.counts)
    counted = int(lengths.sum())
    return boot.around(value, draws, "structure", ends=(1, o), n=counted)


def ratios(given: Doubles, withheld: Doubles, floor: float = 1e-6) -> Doubles:
    """How much an observation does not help: loss given it over loss without, (n,).

    Near 1 it does not help, near 0 the action follows from it. Both losses get a small
    constant, so that an action that never changes (0 over 0) counts as 1. After the
    instruction-following difficulty of Li et al. 2023, exp(NLL(y|x)) / exp(NLL(y)).
    """
    return np.asarray((given + floor) / (withheld + floor))
