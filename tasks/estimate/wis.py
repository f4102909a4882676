"""Per-decision weighted importance sampling.

Paper: Precup, Sutton & Singh 2000, "Eligibility Traces for Off-Policy Policy
Evaluation", weighted per-decision estimator (section 3; in the form of Thomas 2015,
sum over t of gamma^t sum_i w_i,t r_i,t / sum_i w_i,t).

It needs the behaviour's probability of each logged action and judges the policy with
its noise, not the deterministic one: the true return has to be measured with the same
noise. Biased, consistent. Its weights are products over the steps, so over long
episodes all but one vanish: look at the effective sample size before the estimate. It
estimates the return within the logged time limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.estimate import (
    EstimateParams,
    Estimator,
    Target,
    Tell,
    bootstrap,
    figures,
)
from tasks.estimate.cores.importance import (
    log_weights,
    resampler,
    sizes,
    spread,
    weighted,
)

if TYPE_CHECKING:
    from tasks.artifacts.dataset import Transitions


@dataclass(frozen=True)
class WISParams(EstimateParams):
    """See params/estimate/wis.yaml for units and ranges."""


class WIS(Estimator):
    """See the module."""

    Parameters = WISParams
    params: WISParams

    def estimate(
        self, data: "Transitions", targets: Mapping[int, Target], tell: Tell
    ) -> dict[str, Any]:
        """See :meth:`Estimator.estimate`.

        Returns:
            Also ``undiscounted``, as ``discounted``'s mean, and ``effective``, of each
            seed, see ``_weights.sizes``.
        """
        p = self.params
        rewards = spread(data, data.reward)
        values, plain, resampled, left = [], [], [], []
        for k, (seed, target) in enumerate(targets.items()):
            tell(k / len(targets), f"seed {seed}")
            logs = log_weights(data, target, p.noise)
            value = resampler(logs, rewards, p.discount)
            values.append(weighted(logs, rewards, p.discount))
            plain.append(weighted(logs, rewards, 1.0))
            resampled.append(bootstrap(value, len(rewards), p))
            left.append({"seed": seed, **sizes(logs)})
        tell(1.0, "")
        found = figures(np.array(values), np.stack(resampled, axis=1), targets, p)
        mean = float(np.mean(plain))
        return found | {"undiscounted": {"mean": mean}, "effective": left}
