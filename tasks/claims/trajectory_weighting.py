"""Drawing good episodes more often helps where few are good (Hong et al. 2023).

The primary: the base learner's score with AW minus that with even draws, mean of the
mixtures of random and expert, replicate by replicate. A replicate has mixtures of its
own. The positive control learns from the expert's episodes alone; the negative one
draws by an AW whose alpha is so large that all transitions are alike. AW beside RW, and
all scores, stand among the figures.
"""

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.gates import noise
from tasks.claims.cores.offline import Bed, arms
from tasks.claims.engine.results import Results


class TrajectoryWeighting(Claim[ClaimParams]):
    """Scores of a learner that draws evenly, and by each of the weightings."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's scores."""
        bed = results.bed("trajectory_weighting", Bed)
        scores, mixes = arms(bed), list(bed.parameters["mixtures"])
        what, smallest = "mean of the mixtures", self.params.smallest
        primary = self.check(scores.gap("aw", "uniform", mixes, what))
        gates = [
            *(gate for mix in mixes for gate in scores.competent("oracle", mix)),
            *scores.room("oracle", "uniform", mixes),
            scores.twice("uniform", mixes, smallest),
            noise(scores.gap("even", "uniform", mixes, what), smallest),
        ]
        others = [
            *(scores.gap("aw", "uniform", [mix], mix) for mix in mixes),
            scores.gap("aw", "rw", mixes, what),
            scores.gap("oracle", "aw", mixes, what),
        ]
        return Outcome(primary, gates, [*others, *scores.figures()])
