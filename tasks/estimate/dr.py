"""Weighted doubly robust estimation.

Papers: Jiang & Li 2016 (arXiv 1511.03722), "Doubly Robust Off-policy Value Evaluation
for Reinforcement Learning"; Thomas & Brunskill 2016 (arXiv 1604.00923), "Data-Efficient
Off-Policy Policy Evaluation", WDR. Fitted Q evaluation plus what importance weights say
of its errors,

    mean_i V(s_i,0) + sum_t gamma^t sum_i w_i,t (r + gamma V(s') - Q(s, a))_i,t

with self-normalised per-decision weights w. That is Thomas & Brunskill's sum with its
terms in another order, but for truncated episodes: they bootstrap from V of their last
observation, as Q does, so the estimate is of a return without a time limit. Where Q is
perfect and the world deterministic, each bracket is 0 whatever the weights.

It needs the behaviour's probability of each logged action and a policy with noise, as
``wis``. The interval is over episodes; Q is not fitted again for each resample.
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
    from tasks.artifacts.dataset import Transitions


@dataclass(frozen=True)
class DRParams(FittedParams):
    """See params/estimate/dr.yaml for units and ranges."""


class DR(Estimator):
    """See the module."""

    Parameters = DRParams
    params: DRParams

    def estimate(
        self, data: "Transitions", targets: Mapping[int, Target], tell: Tell
    ) -> dict[str, Any]:
        """See :meth:`Estimator.estimate`.

        Returns:
            Also ``effective``, of each seed, see ``_weights.sizes``; ``error``, the
            last Bellman errors' root mean square; ``bounded``, as ``fqe`` has it;
            ``undiscounted`` is null, as Q is discounted.
        """
        noise = self.params.noise
        logs = [log_weights(data, one, noise) for one in targets.values()]
        fitted = Fitted(self.params, data, targets)
        fitted.fit(tell)
        return self.read(fitted, logs)

    def read(self, fitted: Fitted, logs: list[Doubles]) -> dict[str, Any]:
        """The estimate from a fit that is done and log weights, (E, T) a policy."""
        p, data, seeds = self.params, fitted.data, fitted.seeds
        action = scaled(data.action, data.action_low, data.action_high)
        q = fitted.q(data.observation, np.stack([action] * len(seeds))).mean(axis=1)
        first = fitted.v(data.observation[begins(data)]).mean(axis=1)
        after = fitted.v(data.next_observation).mean(axis=1)
        found = combine(data, logs, q, first, after, p, seeds)
        left = [{"seed": k, **sizes(log)} for k, log in zip(seeds, logs, strict=True)]
        return found | {
            "undiscounted": None,
            "effective": left,
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
        p: Discount, and what the bootstrap needs.
        seeds: S of them, for the table.
    """
    bootstrapped = p.discount * (1 - data.terminated) * after  # (S, N)
    errors = [spread(data, row) for row in data.reward + bootstrapped - q]

    sums = [resampler(log, e, p.discount) for log, e in zip(logs, errors, strict=True)]

    def value(draw: Any) -> Doubles:
        mended = [one(draw) for one in sums]
        return np.asarray(first[:, draw].mean(axis=1) + mended)

    episodes = first.shape[1]
    resampled = bootstrap(value, episodes, p)
    return figures(value(np.arange(episodes)), resampled, seeds, p)
