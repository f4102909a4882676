"""Local regularisation makes a neural ODE cheaper to solve (Pal and others 2023).

arXiv 2303.02262. The primary: ln evaluations of the field without regularisation, minus
those with it, seed by seed, on the test rows and at one tolerance. The positive control
is a weight far too large, which has to ask much less; what it does to accuracy does not
count. The effect is worth nothing if accuracy pays: a gate asks that it falls by at
most a point. The negative control is the unregularised network on every second batch
against the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tasks.artifacts.params import Range
from tasks.artifacts.sweep import configurations
from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import Floats, Results

LN, SHARE = "ln evaluations", "of the rows"
TRIVIAL = 0.5  # share of digits told apart that shows competence; chance is 0.1
COST = 0.01  # of accuracy


@dataclass(frozen=True)
class LocalRegNdeClaimParams(ClaimParams):
    """What the claim says beside every claim's; see params/claims/.

    Attributes:
        weight: Of the regulariser that is judged.
        control: Of the positive control.
    """

    weight: Annotated[float, Range(0, 1e9, open=True)]
    control: Annotated[float, Range(0, 1e9, open=True)]


class LocalRegNdeClaim(Claim[LocalRegNdeClaimParams]):
    """Evaluations and accuracy of the study's weights, compared seed by seed."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's metrics on its first dataset."""
        p, data = self.params, results.params["study"]["datasets"][0]
        asked = {w: self.measured(results, data, w, "evaluations") for w in self.arms}
        right = {w: self.measured(results, data, w, "accuracy") for w in self.arms}
        ln = {w: np.log(table.mean(axis=1)) for w, table in asked.items()}
        hit = {w: table.mean(axis=1) for w, table in right.items()}
        gap = of_replicates(f"none - weight {p.weight:g}", ln[0.0] - ln[p.weight], LN)
        cost = hit[p.weight] - hit[0.0]
        room = ln[0.0] - ln[p.control]
        halves = np.log(asked[0.0][:, ::2].mean(1)) - np.log(
            asked[0.0][:, 1::2].mean(1)
        )
        gates = [
            competence(of_replicates("accuracy of none", hit[0.0], SHARE), TRIVIAL),
            within(
                of_replicates(f"accuracy of weight {p.weight:g} - none", cost, SHARE),
                low=-COST,
            ),
            headroom(of_replicates(f"none - weight {p.control:g}", room, LN)),
            noise(of_replicates("none, every second batch - the others", halves, LN),
                  p.smallest),
        ]  # fmt: skip
        others = [
            of_replicates(f"{name}, weight {w:g}", table, unit)
            for name, tables, unit in (
                ("evaluations", {w: t.mean(1) for w, t in asked.items()}, "a batch"),
                ("accuracy", hit, SHARE),
            )
            for w, table in tables.items()
        ]
        others += [
            of_replicates(f"evaluations of the fixed steps, weight {w:g}", n, "a row")
            for w, n in self.unrolled(results, data).items()
        ]
        return Outcome(self.check(gap), gates, others)

    @property
    def arms(self) -> tuple[float, ...]:
        """Weights that are compared."""
        return 0.0, self.params.weight, self.params.control

    def measured(
        self, results: Results, data: str, weight: float, metric: str
    ) -> Floats:
        """A metric of an arm's float32 files, (S, R)."""
        return results.metric(data, policy_of(weight), "float32", metric)

    def unrolled(self, results: Results, data: str) -> Mapping[float, Floats]:
        """Evaluations in the graphs of fixed steps by weight, (S,)."""
        if "unroll" not in results.params["study"]["variants"]:
            return {}
        tables = {
            w: results.metric(data, policy_of(w), "unroll", "evaluations")
            for w in self.arms
        }
        return {w: table.mean(axis=1) for w, table in tables.items()}


def policy_of(weight: float) -> str:
    """The policy of a weight, as the study's sweep calls it."""
    (name,) = configurations("local_reg_nde", {"weight": [weight]})
    return name
