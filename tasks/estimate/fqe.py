"""Fitted Q evaluation (FQE).

Paper: Le, Voloshin & Yue 2019, "Batch Policy Learning under Constraints" (arXiv
1903.08738), algorithm 3; with a slowly following target network instead of a regression
to the end in every round, as Voloshin et al. 2019 (arXiv 1911.06854) and d3rlpy do.

It needs no behaviour probabilities, and judges a deterministic policy (``noise: 0``) or
one with noise. Q is fitted to the policy π on the logged transitions, and the estimate
is the mean over the first observations of the n logged episodes:

    y = r + γ (1 - d) Q'(s', a'),   a' ~ π(s')
    minimise E (Q(s, a) - y)^2
    estimate = 1/n Σ_i E Q(s_i,0, a),   a ~ π(s_i,0)

It is a discounted return without a time limit, as truncated transitions (d = 0)
bootstrap. The interval is over those first observations alone: it does not hold the
error of the fit, of which ``members_std`` gives an idea.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.estimate import (
    Estimator,
    Target,
    Tell,
    begins,
    bootstrap,
    figures,
)
from tasks.estimate.cores.fitted_q import Fitted, FittedParams

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions


@dataclass(frozen=True)
class FQEParams(FittedParams):
    """Parameters of the fit of Q and of the estimate; the method has none beside."""


class FQE(Estimator[FQEParams]):
    """The mean of a fitted Q over the first observations of the logged episodes."""

    def estimate(
        self, data: "Transitions", targets: Mapping[int, Target], tell: Tell
    ) -> dict[str, Any]:
        """Fit Q of each policy and read its values off.

        Returns:
            Beside the figures: ``members_std``, the deviation over each seed's members
            (0 of a single one); ``error``, the last Bellman errors' root mean square;
            ``bounded``, of each seed the share of values that had to be kept within
            bounds: far from 0, do not believe the estimate; ``undiscounted``, the mean
            reward a step that the estimate stands for, times the longest episode, or
            null where logged episodes terminated: there it would mean nothing.
        """
        fitted = Fitted(self.params, data, targets)
        fitted.fit(tell)
        return self.read(fitted)

    def read(self, fitted: Fitted) -> dict[str, Any]:
        """The estimate from a fit that is done."""
        p, data = self.params, fitted.data
        members = fitted.v(data.observation[begins(data)])  # (S, E, episodes)
        values = members.mean(axis=1)  # (S, episodes)
        draws = bootstrap(lambda d: values[:, d].mean(axis=1), values.shape[1], p)
        estimates = figures(values.mean(axis=1), draws, fitted.targets, p)
        estimates["undiscounted"] = None
        if not data.terminated.any() and p.discount < 1:
            longest = int(np.bincount(data.episode).max())
            step = estimates["discounted"]["mean"] * (1 - p.discount)
            estimates["undiscounted"] = {"mean": step * longest}
        return estimates | {
            "members_std": members.mean(axis=2).std(axis=1).tolist(),
            "error": fitted.error,
            "bounded": fitted.bounded.tolist(),
        }
