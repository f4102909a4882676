"""OFQL acts in one network call and is no worse than DQL in five (Nguyen and Yoo 2026).

The primary: OFQL's score minus DQL's, seed by seed. Beside it stands DQL's network
asked for one DDIM step. How much faster its file answers is of the machine and the
moment, so it stands on the report's page and in no claim. There is no gate yet, so the
bed is refused.
"""

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.engine.results import Results


class OFQLClaim(Claim[ClaimParams]):
    """Scores of OFQL, of DQL, and of DQL's network in a single call."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's scores on its first dataset."""
        study = results.params["study"]
        data = study["datasets"][0]
        arms = {learner: results.means(data, learner) for learner in study["learners"]}
        arms["dql by one DDIM step"] = results.means(data, "dql", "float32-ddim-1")
        gain = of_replicates("ofql - dql", arms["ofql"] - arms["dql"])
        figures = [of_replicates(name, values) for name, values in arms.items()]
        return Outcome(self.check(gain), [], figures)
