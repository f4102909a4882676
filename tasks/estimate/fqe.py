"""Fitted Q evaluation.

Paper: Le, Voloshin & Yue 2019, "Batch Policy Learning under Constraints" (arXiv
1903.08738), algorithm 3; with a slowly following target network instead of a regression
to the end in every round, as Voloshin et al. 2019 (arXiv 1911.06854) and d3rlpy do.

It needs no behaviour probabilities, and judges a deterministic policy (``noise: 0``) or
one with noise. The estimate is the mean over the first observations of all logged
episodes of Q(s0, a0), a0 of the policy: a discounted return without a time limit, as
truncated transitions bootstrap. The interval is over those first observations alone: it
does not hold the error of the fit, of which ``members_std`` gives an idea.
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
    from tasks.artifacts.dataset import Transitions


@dataclass(frozen=True)
class FQEParams(FittedParams):
    """See params/estimate/fqe.yaml for units and ranges."""


class FQE(Estimator):
    """See the module."""

    Parameters = FQEParams
    params: FQEParams

    def estimate(
        self, data: "Transitions", targets: Mapping[int, Target], tell: Tell
    ) -> dict[str, Any]:
        """See :meth:`Estimator.estimate`.

        Returns:
            Also ``members_std``, of each seed's members (0 of a single one);
            ``error``, the last Bellman errors' root mean square; ``bounded``, see
            ``_fitted.Fitted``: far from 0, do not believe it; ``undiscounted``: the
            mean reward a step that the estimate stands for, times the longest episode,
            or null where logged episodes terminated: there it would mean nothing.
        """
        fitted = Fitted(self.params, data, targets)
        fitted.fit(tell)
        return self.read(fitted)

    def read(self, fitted: Fitted) -> dict[str, Any]:
        """The estimate from a fit that is done."""
        p, data = self.params, fitted.data
        members = fitted.v(data.observation[begins(data)])  # (S, E, episodes)
        each = members.mean(axis=1)
        resampled = bootstrap(lambda d: each[:, d].mean(axis=1), each.shape[1], p)
        found = figures(each.mean(axis=1), resampled, fitted.targets, p)
        found["undiscounted"] = None
        if not data.terminated.any() and p.discount < 1:
            longest = int(np.bincount(data.episode).max())
            step = found["discounted"]["mean"] * (1 - p.discount)
            found["undiscounted"] = {"mean": step * longest}
        return found | {
            "members_std": members.mean(axis=2).std(axis=1).tolist(),
            "error": fitted.error,
            "bounded": fitted.bounded.tolist(),
        }
