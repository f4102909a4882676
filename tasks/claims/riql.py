"""RIQL stands corrupted data better than IQL (Yang et al. 2024).

The primary: RIQL's score minus IQL's, mean over the four random corruptions, seed by
seed. All scores stand beside it, the clean data's included. There is no gate yet, so
the bed is refused.
"""

import numpy as np

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.engine.results import Results


class RIQL(Claim[ClaimParams]):
    """Scores on clean and corrupted data."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the study's scores; its first dataset is the clean one."""
        study = results.params["study"]
        _, *corrupted = study["datasets"]
        scores = {
            (data, learner): results.means(data, learner)
            for data in study["datasets"]
            for learner in study["learners"]
        }
        gains = [scores[data, "riql"] - scores[data, "iql"] for data in corrupted]
        name = "riql - iql, mean of the corruptions"
        figures = [
            of_replicates(f"{learner} on {data}", values)
            for (data, learner), values in scores.items()
        ]
        primary = self.check(of_replicates(name, np.mean(gains, axis=0)))
        return Outcome(primary, [], figures)
