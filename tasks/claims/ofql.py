"""OFQL acts in one network call and is no worse than DQL in five (Nguyen and Yoo 2026).

The primary: OFQL's score minus DQL's, seed by seed, which has to exceed -5 points. The
positive control is DQL itself, which has to be 10 points above cloning; the negative
one the two halves of its episodes. Beside them stands DQL's network asked for one DDIM
step. How much faster OFQL's file answers is of the machine and the moment, so it stands
on the report's page and in no claim.
"""

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.offline import of_study
from tasks.claims.engine.results import Results

MORE = 10.0  # score by which DQL has to beat cloning
STEP = "dql by one DDIM step"


class OFQLClaim(Claim[ClaimParams]):
    """Scores of OFQL, of DQL, and of DQL's network in a single call."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's scores on its first dataset."""
        study = results.params["study"]
        data = study["datasets"][0]
        policies = {learner: (learner, "float32") for learner in study["learners"]}
        policies[STEP] = ("dql", "float32-ddim-1")
        scores, smallest = of_study(results, data, policies), self.params.smallest
        primary = self.check(scores.gap("ofql", "dql", [data], data))
        gates = [
            *scores.competent("dql", data, more=MORE),
            *scores.room("dql", "bc", [data]),
            scores.trained("ofql", data),
            scores.twice("dql", [data], smallest),
        ]
        others = [
            scores.gap("dql", STEP, [data], data),
            scores.gap("ofql", STEP, [data], data),
        ]
        return Outcome(primary, gates, [*others, *scores.figures()])
