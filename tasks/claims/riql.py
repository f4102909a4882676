"""RIQL stands corrupted data better than IQL (Yang et al. 2024).

The primary: RIQL's score minus that of the authors' IQL, mean of the four random
corruptions, replicate by replicate. A replicate has corruptions of its own. The
positive control is the authors' IQL on clean data, which has to be 10 points above
cloning; the negative one the two halves of its episodes. RIQL beside the authors' IQL
with normalised observations, the first thing RIQL adds, and RIQL on clean data stand
among the figures.
"""

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import headroom, within
from tasks.claims.cores.offline import CEILING, FLOOR, Bed, arms
from tasks.claims.engine.results import Results

CLEAN = "clean"
MORE = 10.0  # score by which IQL on clean data has to beat cloning


class RIQL(Claim[ClaimParams]):
    """Scores on clean and corrupted data."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's scores."""
        bed = results.bed("riql", Bed)
        scores, wrong = arms(bed), list(bed.parameters["fields"])
        what, smallest = "mean of the corruptions", self.params.smallest
        primary = self.check(scores.gap("riql", "iql", wrong, what))
        clean = scores.score("iql", [CLEAN])
        lost = clean - scores.score("iql", wrong)
        fell = 100 * scores.fell("iql", [CLEAN])
        gates = [
            *scores.competent("iql", CLEAN, more=MORE),
            headroom(of_replicates("iql, clean - corrupted", lost)),
            within(of_replicates("iql, corrupted", clean - lost), high=CEILING),
            within(
                of_replicates("iql, clean: over within 100 steps", fell, "%"),
                high=FLOOR,
            ),
            scores.twice("iql", wrong, smallest),
        ]
        others = [
            *(scores.gap("riql", "iql", [one], one) for one in wrong),
            scores.gap("riql", "normalised", wrong, what),
            scores.gap("normalised", "iql", wrong, what),
            scores.gap("riql", "iql", [CLEAN], CLEAN),
        ]
        return Outcome(primary, gates, [*others, *scores.figures()])
