"""Per-decision weighted importance sampling.

Paper: Precup, Sutton & Singh 2000, "Eligibility Traces for Off-Policy Policy
Evaluation", weighted per-decision estimator (section 3; in the form of Thomas 2015).
With episodes i, steps t, and the policy π over the behaviour b,

    ρ_i,t = Π_{k<=t} π(a_i,k | s_i,k) / b(a_i,k | s_i,k)
    estimate = Σ_t γ^t  Σ_i ρ_i,t r_i,t / Σ_i ρ_i,t

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
    from tasks.artifacts.transitions import Transitions


@dataclass(frozen=True)
class WISParams(EstimateParams):
    """Parameters of every estimator; the method has none beside."""


class WIS(Estimator[WISParams]):
    """The logged rewards, weighted by how much likelier the policy makes them."""

    def estimate(
        self, data: "Transitions", targets: Mapping[int, Target], tell: Tell
    ) -> dict[str, Any]:
        """Weigh the logged rewards for each policy.

        Returns:
            Beside the figures: ``undiscounted``, the mean estimate with discount 1,
            and ``effective``, how many episodes the weights of each seed leave.
        """
        p = self.params
        rewards = spread(data, data.reward)
        values, plain, draws, effective = [], [], [], []
        for k, (seed, target) in enumerate(targets.items()):
            tell(k / len(targets), f"seed {seed}")
            logs = log_weights(data, target, p.noise)
            value = resampler(logs, rewards, p.discount)
            values.append(weighted(logs, rewards, p.discount))
            plain.append(weighted(logs, rewards, 1.0))
            draws.append(bootstrap(value, len(rewards), p))
            effective.append({"seed": seed, **sizes(logs)})
        tell(1.0, "")
        estimates = figures(np.array(values), np.stack(draws, axis=1), targets, p)
        mean = float(np.mean(plain))
        return estimates | {"undiscounted": {"mean": mean}, "effective": effective}
