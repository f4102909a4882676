"""Episodes as points, and the yardstick all compared datasets share.

A scale or a bandwidth chosen for each dataset alone would hide that one of them has
collapsed, so both are of the union, and standardising is by a reference that no dataset
has a say in, where params give one for the world.

Shapes: n episodes, T steps, O observation, A action, F features, P axes kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.measure.qdc_metrics.diversity import bandwidth
from tasks.measure.qdc_metrics.figures import Doubles

QUANTILES = (0.1, 0.5, 0.9)
FLOOR = 1e-3  # of a deviation, so that a constant sensor cannot blow up
REACH = 3.0  # deviations a grid reaches from its middle


@dataclass(frozen=True)
class Reference:
    """What observations are standardised by.

    Attributes:
        mean: (O,), units of the world.
        std: (O,), positive.
        source: ``params``, or ``union`` where params do not know the world; then a
            dataset can only be told from others it is compared with.
    """

    mean: Doubles
    std: Doubles
    source: str

    def __call__(self, observations: Doubles) -> Doubles:
        """Standardised, (N, O)."""
        return np.asarray((observations - self.mean) / self.std)


def features(observations: Doubles, actions: Doubles) -> Doubles:
    """One episode as a point, (5 (O + A) + O + 1,).

    Mean, deviation and the 10, 50 and 90 % quantiles of each observation and action,
    the last observation, and ln T.

    Args:
        observations: (T+1, O), standardised.
        actions: (T, A), in [-1, 1].
    """
    parts = []
    for values in (observations, actions):
        ordered = np.sort(values, axis=0)
        at = np.array(QUANTILES) * (len(values) - 1)
        low, share = at.astype(np.int64), (at % 1)[:, None]
        high = np.minimum(low + 1, len(values) - 1)
        quantiles = ordered[low] * (1 - share) + ordered[high] * share
        parts += [values.mean(0), values.std(0), quantiles.ravel()]
    return np.concatenate([*parts, observations[-1], [np.log(len(actions))]])


@dataclass(frozen=True)
class Plane:
    """Principal axes, each scaled to unit variance in what they were fitted on.

    Attributes:
        centre: (F,).
        axes: (F, P).
    """

    centre: Doubles
    axes: Doubles

    def __call__(self, points: Doubles) -> Doubles:
        """(n, F) -> (n, P)."""
        return np.asarray((points - self.centre) @ self.axes)


def principal(points: Doubles, count: int, *, scaled: bool) -> Plane:
    """The first principal axes of points (n, F); fewer where there are no more.

    Args:
        points: At least one.
        count: P.
        scaled: To unit variance.
    """
    centre = points.mean(0)
    spread = points - centre
    values, vectors = np.linalg.eigh(spread.T @ spread / len(points))
    axes = vectors[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    if scaled:
        axes = axes / np.sqrt(values[::-1][:count] + 1e-9)
    return Plane(centre, axes)


@dataclass(frozen=True)
class Yardstick:
    """What every compared dataset is measured by.

    Attributes:
        reference: Of observations.
        episodes: Axes of the embedding, P of them.
        map: Two of them, unit variance: the grid of episodes, from -3 to 3.
        states: Two axes of single states, unit variance, likewise.
        bandwidth: h of the Vendi score: median distance in the union.
        peers: Names of the datasets in the union.
        n_episodes: Episodes each one has a share of, the same for all.
        n_steps: Steps, the same.
    """

    reference: Reference
    episodes: Plane
    map: Plane
    states: Plane
    bandwidth: float
    peers: tuple[str, ...]
    n_episodes: int
    n_steps: int


def yardstick(
    shares: Sequence[tuple[Doubles, Doubles]],
    reference: Reference,
    *,
    axes: int,
    peers: Sequence[str],
    n_episodes: int,
    n_steps: int,
) -> Yardstick:
    """Fit it on equal shares of all compared datasets.

    Args:
        shares: Points (m, F) and standardised states (k, O) of each.
        reference: See :class:`Reference`.
        axes: P.
        peers: Their names.
        n_episodes: See :class:`Yardstick`.
        n_steps: See :class:`Yardstick`.

    Raises:
        RefusedError: If they do not have the same spaces.
    """
    widths = [(points.shape[1], states.shape[1]) for points, states in shares]
    if len(set(widths)) > 1:
        raise RefusedError(
            ", ".join(peers),
            "spaces",
            "; ".join(f"{f} features, {o} observations" for f, o in widths),
            "the same observations and actions in all",
            "compare datasets of one world",
        )
    points = np.concatenate([points for points, _ in shares])
    states = np.concatenate([states for _, states in shares])
    episodes = principal(points, axes, scaled=False)
    return Yardstick(
        reference=reference,
        episodes=episodes,
        map=principal(points, 2, scaled=True),
        states=principal(states, 2, scaled=True),
        bandwidth=bandwidth(episodes(points)),
        peers=tuple(peers),
        n_episodes=n_episodes,
        n_steps=n_steps,
    )
