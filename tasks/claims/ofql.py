"""OFQL acts in one network call and is no worse than DQL in five (Nguyen and Yoo 2026).

Wanted: OFQL's score is at most one standard deviation over seeds below DQL's, and both
are above DQL's network asked for one DDIM step. How much faster its file answers is of
the machine and the moment, so it stands on the report's page and in no claim.
"""

import numpy as np

from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Floats, Results, exact


class OFQLClaim(Claim[ClaimParams]):
    """Scores of OFQL, of DQL, and of DQL's network in a single call."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's scores on its first dataset."""
        data = results.params["study"]["datasets"][0]
        arms = {
            "ofql": results.score(data, "ofql"),
            "dql": results.score(data, "dql"),
            "dql by one DDIM step": results.score(data, "dql", "float32-ddim-1"),
        }
        ofql, dql, ddim = arms.values()
        spread = max(float(np.std(dql.mean(axis=1), ddof=1)), 1e-3)
        gap = float((ofql - dql).mean()) / spread
        checks = [
            Check(exact("ofql over dql, in dql's deviations", gap, ""), bound=-1.0),
            Check(results.gap(ofql, ddim, "ofql over dql by one DDIM step")),
            Check(results.gap(dql, ddim, "dql over its one DDIM step")),
        ]
        others = {
            learner: results.score(data, learner)
            for learner in results.params["study"]["learners"]
            if learner not in arms
        }
        return Outcome(checks, _table(results, arms | others))


def _table(results: Results, arms: dict[str, Floats]) -> list[Figure]:
    return [results.figure(name, scores) for name, scores in arms.items()]
