"""Which policy would be picked after k trial episodes, and how good is it?

Offline RL is judged by policies that somebody picked, and picking costs episodes in the
world. The protocol of Jackson et al. 2025, "A Clean Slate for Offline Reinforcement
Learning" (arXiv 2504.11453): a bandit whose arms are the policies pulls one after
another, by its upper confidence bound

    mean of its pulls + sqrt(ALPHA ln(pulls so far) / its pulls),

and after k pulls the policy with the highest mean so far is taken; its worth is the
mean of all its stored episodes. A pull is one of these, drawn with repetition. Returns
are on a scale where UCB1 expects them, 0..1: score / 100 (Auer et al. 2002,
"Finite-time analysis of the multiarmed bandit problem", has ALPHA 2).

A policy that was not pulled has an infinite bound, so the first pulls are one of each
policy, in an order left to chance. While k is at most the number of policies (and at
most :data:`EXACT`), the expected worth is therefore computed (:func:`exact`); after
that it is the mean of many seeded trials (:func:`trials`), with its standard error.

Shapes: P policies, E episodes of each, R trials, K numbers of pulls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.statistics.intervals import Floats, t_interval

ALPHA = 2.0
TRIALS = 1000  # of each training seed
PULLS = (1, 2, 5, 10, 20, 50, 100)
EXACT = 20  # pulls; more would take seconds where there are as many policies
SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


@dataclass(frozen=True)
class Picked:
    """The worth of what is picked after some trial episodes.

    Attributes:
        pulls: k, trial episodes.
        score: Expected, mean over training seeds.
        low: Lower end of its t interval over training seeds; None of a single one.
        high: Upper end.
        error: Standard error of the seeded trials behind it; 0 where it was computed.
    """

    pulls: int
    score: float
    low: float | None
    high: float | None
    error: float


def picking(scores: Floats, confidence: float) -> list[Picked]:
    """The curve of picking.

    Args:
        scores: (S, P, E), S training seeds: P policies of each to pick from, of each E
            episodes' normalised scores.
        confidence: Of the intervals, e.g. 0.95.

    Returns:
        One a number of :data:`PULLS`. Each training seed is a replicate: its own P
        policies are picked from.
    """
    computed = [k for k in PULLS if k <= min(scores.shape[1], EXACT)]
    drawn = [k for k in PULLS if k not in computed]
    curves = [np.array([exact(table, computed) for table in scores])]
    errors = [0.0] * len(computed)
    if drawn:
        worth = [trials(table, drawn, seed) for seed, table in enumerate(scores)]
        worths = np.stack(worth)  # (S, R, K)
        curves.append(worths.mean(axis=1))
        variance = worths.var(axis=1, ddof=1).mean(axis=0)
        errors += np.sqrt(variance / (TRIALS * len(scores))).tolist()
    by_pulls = np.concatenate(curves, axis=1).T
    return [
        averaged(k, curve, confidence, error)
        for k, curve, error in zip(PULLS, by_pulls, errors, strict=True)
    ]


def averaged(
    pulls: int, worth: Floats, confidence: float, error: float = 0.0
) -> Picked:
    """The mean over training seeds (S,), with its interval."""
    low, high = None, None
    if len(worth) > 1:
        low, high = (float(end) for end in t_interval(worth, confidence))
    return Picked(pulls, float(worth.mean()), low, high, error)


def exact(table: Floats, pulls: Sequence[int]) -> list[float]:
    """Expected worth of the pick where every policy was pulled once at most.

    A policy is picked if it is among those pulled and none of the others shows more.
    With F_j(x) the share of j's episodes below x, k - 1 others drawn evenly all lie
    below x with the probability e(F) / C(P - 1, k - 1), e the elementary symmetric
    polynomial of degree k - 1. Ties are broken by chance: each policy draws a number t,
    and F_j(x) also counts t of those equal to x; the integral over t of a polynomial is
    exact by Gauss-Legendre quadrature.

    Args:
        table: (P, E).
        pulls: The numbers of pulls k, 1..P.

    Returns:
        One a number of pulls.
    """
    policies, episodes = table.shape
    rows = np.sort(table, axis=1)
    less, up_to = (
        np.stack([np.searchsorted(row, table, side=side) for row in rows])
        for side in SIDES
    )  # (P, P, E): of j's episodes, those below and up to each of i's
    expected = []
    for k in pulls:
        nodes, weights = np.polynomial.legendre.leggauss(k // 2 + 1)
        picked = np.empty(policies)
        for i in range(policies):
            others = np.arange(policies) != i
            lower, equal = less[others, i], (up_to - less)[others, i]  # (P - 1, E)
            shares = lower[..., None] + equal[..., None] * (nodes + 1) / 2
            wins = _chosen(shares / episodes, k - 1) @ weights / 2  # (E,)
            picked[i] = wins.mean() * k / policies
        expected.append(float(picked @ table.mean(axis=1)))
    return expected


def _chosen(values: Floats, degree: int) -> Floats:
    """The product of ``degree`` of the values (N, ...), mean over all choices."""
    terms = np.zeros((degree + 1, *values.shape[1:]))
    terms[0] = 1
    for count, value in enumerate(values, 1):
        # of `count` values, a choice of d holds the last with the probability d / count
        for d in range(min(degree, count), 0, -1):
            terms[d] += (value * terms[d - 1] - terms[d]) * d / count
    return terms[degree]


def trials(table: Floats, pulls: Sequence[int], seed: int) -> Floats:
    """Worth of the pick in seeded trials.

    Args:
        table: (P, E).
        pulls: The numbers of pulls to stop at, rising.
        seed: Of the generator.

    Returns:
        (R, K), R = :data:`TRIALS`.
    """
    draw = np.random.default_rng(seed)
    policies, episodes = table.shape
    worth, every = table.mean(axis=1), np.arange(TRIALS)
    sums, counts = np.zeros((2, TRIALS, policies))
    stops = []
    for done in range(max(pulls)):
        if done < policies:
            bound = np.where(counts == 0, np.inf, -np.inf)
        else:
            spread = np.sqrt(ALPHA * np.log(done) / counts)
            bound = sums / counts / 100 + spread
        arm = _largest(bound, draw)
        sums[every, arm] += table[arm, draw.integers(episodes, size=TRIALS)]
        counts[every, arm] += 1
        if done + 1 in pulls:
            means = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
            stops.append(worth[_largest(means, draw)])
    return np.stack(stops, axis=1)


def _largest(values: Floats, draw: np.random.Generator) -> NDArray[np.int64]:
    """The column of the largest of each row; of equal ones any, by chance."""
    ties = values == values.max(axis=1, keepdims=True)
    return np.where(ties, draw.random(values.shape), -1.0).argmax(axis=1)
