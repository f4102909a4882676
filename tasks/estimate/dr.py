"""Weighted doubly robust estimation (WDR).

Papers: Jiang & Li 2016 (arXiv 1511.03722), "Doubly Robust Off-policy Value Evaluation
for Reinforcement Learning"; Thomas & Brunskill 2016 (arXiv 1604.00923), "Data-Efficient
Off-Policy Policy Evaluation", section 4. Fitted Q evaluation plus what importance
weights say of its errors. With n episodes i, steps t, and self-normalised per-decision
weights w (``cores/importance.py``), the estimate is

    1/n Σ_i V(s_i,0) + Σ_t γ^t Σ_i w_i,t [ r_i,t + γ V(s_i,t+1) - Q(s_i,t, a_i,t) ]

where V(s) = E Q(s, a), a ~ π(s), and V = 0 after a terminated episode. That is Thomas &
Brunskill's sum with its terms in another order, but for truncated episodes: they
bootstrap from V of their last observation, as Q does, so the estimate is of a return
without a time limit. Where Q is perfect and the world deterministic, each bracket is 0
whatever the weights.

It needs the behaviour's probability of each logged action and a policy with noise, as
``wis`` does. The interval is over episodes; Q is not fitted again for each resample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.artifacts.density import scaled
from tasks.estimate import (
    Doubles,
    Estimator,
    Target,
    Tell,
    begins,
    bootstrap,
    figures,
)
from tasks.estimate.cores.fitted_q import Fitted, FittedParams
from tasks.estimate.cores.importance import log_weights, resampler, sizes, spread

if TYPE_CHECKING:
    from tasks.artifacts.transitions import Transitions


@dataclass(frozen=True)
class DRParams(FittedParams):
    """Parameters of the fit of Q and of the estimate; the method has none beside."""


class DR(Estimator[DRParams]):
    """Fitted Q, corrected by its importance-weighted Bellman errors."""

    def estimate(
        self, data: "Transitions", targets: Mapping[int, Target], tell: Tell
    ) -> dict[str, Any]:
        """Fit Q of each policy, then correct its values by the weighted errors.

        Returns:
            Beside the figures: ``effective``, how many episodes the weights of each
            seed leave; ``error``, the last Bellman errors' root mean square;
            ``bounded``, of each seed the share of values that had to be kept within
            bounds; ``undiscounted``, which is null, as Q is discounted.
        """
        noise = self.params.noise
        logs = [log_weights(data, policy, noise) for policy in targets.values()]
        fitted = Fitted(self.params, data, targets)
        fitted.fit(tell)
        return self.read(fitted, logs)

    def read(self, fitted: Fitted, logs: list[Doubles]) -> dict[str, Any]:
        """The estimate from a fit that is done.

        Args:
            fitted: Q of each policy.
            logs: Log weights (E, T) of each policy.
        """
        p, data, seeds = self.params, fitted.data, fitted.seeds
        action = scaled(data.action, data.action_low, data.action_high)
        q = fitted.q(data.observation, np.stack([action] * len(seeds))).mean(axis=1)
        first = fitted.v(data.observation[begins(data)]).mean(axis=1)
        after = fitted.v(data.next_observation).mean(axis=1)
        figures = combine(data, logs, q, first, after, p, seeds)
        effective = [
            {"seed": seed, **sizes(log)} for seed, log in zip(seeds, logs, strict=True)
        ]
        return figures | {
            "undiscounted": None,
            "effective": effective,
            "error": fitted.error,
            "bounded": fitted.bounded.tolist(),
        }


def combine(
    data: "Transitions",
    logs: list[Doubles],
    q: Doubles,
    first: Doubles,
    after: Doubles,
    p: DRParams,
    seeds: Sequence[int],
) -> dict[str, Any]:
    """The estimate from weights and values.

    Args:
        data: N transitions in E episodes.
        logs: S tables (E, T) of log weights.
        q: (S, N), of the logged actions.
        first: (S, E), values of first observations.
        after: (S, N), values of next observations.
        p: Discount, and how the bootstrap draws.
        seeds: The training seed of each policy, S.
    """
    bootstrapped = p.discount * (1 - data.terminated) * after  # (S, N)
    errors = [spread(data, row) for row in data.reward + bootstrapped - q]

    sums = [resampler(log, e, p.discount) for log, e in zip(logs, errors, strict=True)]

    def value(draw: Any) -> Doubles:
        corrections = [weighted_sum(draw) for weighted_sum in sums]
        return np.asarray(first[:, draw].mean(axis=1) + corrections)

    episodes = first.shape[1]
    resampled = bootstrap(value, episodes, p)
    return figures(value(np.arange(episodes)), resampled, seeds, p)
