"""Trajectory weighting: good episodes are drawn more often, whatever the learner.

Paper: Hong, Agrawal, Tachet des Combes & Laroche 2023, "Harnessing Mixed Offline
Reinforcement Learning Datasets via Trajectory Weighting" (ICLR 2023, OpenReview
OhUAblg27z). Episode i has the return G_i, T_i transitions and the first observation
s0_i. The probability of each of its transitions is

    score_i = G_i                     scheme return (RW in the paper)
    score_i = G_i - Vhat(s0_i)        scheme advantage (AW)
    s_i     = (score_i - min_j score_j) / (max_j score_j - min_j score_j)
    p_i     = exp(s_i / alpha) / sum_j T_j exp(s_j / alpha)

Vhat is the least-squares fit of the returns on the first observations. Scheme top draws
evenly from the floor(fraction n) episodes of largest return, scheme uniform from all.

Reference implementation: Improbable-AI/harness-offline-rl. As its maintained version
has it, and other versions of it have not, scores are scaled to [0, 1] before the
softmax, and the softmax goes over transitions: of two episodes with the same score the
longer one is drawn more often. Episodes come from the dataset; its borders are checked
as the reference finds them, by termination or a jump above 1e-6.

It wraps no learner: it gives the engine a probability a transition
(``Learner.weights``), and losses, evaluation and statistics of the observations stay
what they are. Weights are computed once, on the rewards as stored.

Differs from the reference: alpha belongs to a named weighting of a study, not to a
learner (theirs is 0.2 for CQL, 0.1 otherwise), and batches are drawn by searching the
summed probabilities instead of millions of rows drawn in advance. The paper normalises
the returns of its positive-sided variance in a way we do not know; ``weights.json``
has it in units of return and of score / 100.

Shapes: N transitions, n episodes.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import OneOf, Params, Range
from tasks.artifacts.windows import Whole
from tasks.weigh import Doubles, Weighting, start_values, trajectories

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions

EQUAL = 1e-9  # scores that spread less, against the largest return, are equal


@dataclass(frozen=True)
class TrajectoryWeightingParams(Params):
    """Parameters of trajectory weighting.

    Attributes:
        scheme: ``advantage``, ``return``, ``top`` or ``uniform``.
        alpha: Temperature of advantage and return; large is uniform.
        fraction: Share of the episodes that scheme top keeps.
    """

    scheme: Annotated[str, OneOf(("advantage", "return", "top", "uniform"))]
    alpha: Annotated[float, Range(0, 1e12, open=True)]
    fraction: Annotated[float, Range(0, 1, open=True)]


class TrajectoryWeighting(Weighting[TrajectoryWeightingParams]):
    """By advantage, by return, the best episodes alone, or all of them alike."""

    def weigh(self, data: "Transitions") -> Doubles:
        """Probabilities of the transitions, (N,), the same inside an episode.

        Where all scores are equal it warns, and all transitions are alike.

        Args:
            data: The dataset.

        Raises:
            RefusedError: If the episodes' borders do not hold, or scheme advantage has
                too few episodes.
        """
        p = self.params
        first, lengths = trajectories(data)
        each = np.ones(len(lengths))
        if p.scheme != "uniform":
            score = self.scores(data, first)
            if np.ptp(score) <= EQUAL * np.abs(data.returns).max():
                warnings.warn(
                    f"{data.dataset_id}: all {len(score)} episodes have the same score "
                    f"by {p.scheme}, so none is drawn more often than another",
                    stacklevel=2,
                )
            elif p.scheme == "top":
                each = best(score, p.fraction)
            else:
                each = softmax(score, lengths, p.alpha)
        weights = np.repeat(each, lengths)
        weights /= weights.sum()  # as the reference does, against rounding
        return weights

    def scores(self, data: "Transitions", first: Whole) -> Doubles:
        """How good each episode is: G, or G - Vhat(s0) for scheme advantage.

        Args:
            data: The dataset.
            first: First row of each episode, (n,).

        Returns:
            (n,), units of return.

        Raises:
            RefusedError: If Vhat would go through all returns.
        """
        g = np.asarray(data.returns, np.float64)
        if self.params.scheme != "advantage":
            return g
        expected = start_values(data, first)
        if expected is None:
            width = data.observation.shape[1]
            raise RefusedError(
                data.dataset_id,
                "episodes",
                f"{len(g)}, with {width} numbers an observation",
                f"at least {width + 2}, so that returns can be regressed on starts",
                "log more episodes, take scheme return, or observe features instead "
                "of pixels",
            )
        return g - expected


def softmax(score: Doubles, lengths: Whole, alpha: float) -> Doubles:
    """Softmax over transitions, p_i = exp(s_i / alpha) / sum_j T_j exp(s_j / alpha).

    Args:
        score: (n,), not all equal; s is the score scaled to [0, 1].
        lengths: T, (n,).
        alpha: Temperature, > 0; towards 0 the best episode alone, large ones all alike.

    Returns:
        Probability of each transition of an episode, (n,).
    """
    scaled = (score - score.max()) / np.ptp(score)  # -1..0 gives the same p as 0..1
    with np.errstate(over="ignore", under="ignore"):  # exp(-inf) is 0, as it should be
        raw = np.exp(scaled / alpha)
    return raw / (lengths @ raw)


def best(returns: Doubles, fraction: float) -> Doubles:
    """Mark the floor(fraction n) episodes of the largest returns, at least one.

    Of equal returns the earlier episode is better.

    Args:
        returns: (n,).
        fraction: In (0, 1).

    Returns:
        (n,), 1 for those episodes and 0 for the others.
    """
    count = max(1, int(fraction * len(returns) + 1e-9))  # 0.29 * 100 is below 29
    chosen = np.zeros(len(returns))
    chosen[np.argsort(-returns, kind="stable")[:count]] = 1
    return chosen
