"""DC-Solver errs less than UniPC at few network calls (Zhao et al. 2024).

The primary is what the paper shows under guidance, its largest strength here: UniPC's
error over DC-Solver's, mean of 5, 6, 8 and 10 calls. Both are of order 2, bh2, without
a corrector after the first step, as in the authors' guided runs; a mixture is a
replicate. Under guidance a few samples end in another mode and carry the mean of the
errors, so the mean of their logarithms is compared. The positive control is UniPC with
twice the calls, the negative one DC-Solver whose ratios were searched against
trajectories of other noises.

Beside it: single counts of calls, no guidance and half of it, the means over samples,
and whether UniPC errs more than its own predictor, the reason the paper gives. Order 3,
bh1, which the authors take without guidance, stands in the figures.
"""

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.cores.samplers import errors
from tasks.claims.engine.results import Results

CALLS = (5, 6, 8, 10)
GUIDED, WEAK, NONE = 7.5, 4.0, 0.0


class DCSolver(Claim[ClaimParams]):
    """Errors of DC-Solver beside UniPC's, and of UniPC beside its predictor's."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's table."""
        table = errors(results, "dc_solver", "all", "logs")
        means = errors(results, "dc_solver", "all", "means")
        gates = [
            competence(table.ratio("ddim", "unipc_twice", GUIDED, CALLS)),
            headroom(table.ratio("unipc", "unipc_twice", GUIDED, CALLS)),
            # ln of the data's variance a dimension, 2.1: nothing of the noise is used
            within(table.error("unipc", GUIDED, CALLS), high=0.7),
            noise(
                table.twice("unipc", "dc_solver", GUIDED, CALLS), self.params.smallest
            ),
        ]
        primary = self.check(table.ratio("unipc", "dc_solver", GUIDED, CALLS))
        others = [table.ratio("unipc", "dc_solver_shuffled", GUIDED, CALLS)]
        others += [
            table.ratio(name, "dc_solver", GUIDED, CALLS)
            for name in ("ddim", "dpm_solver", "unipc_all")
        ]
        for guidance in (GUIDED, WEAK, NONE):
            for calls in [[n] for n in CALLS]:
                others.append(table.ratio("unipc", "dc_solver", guidance, calls))
                others.append(means.ratio("unipc", "dc_solver", guidance, calls))
        others += [
            table.ratio("unipc_all", "unipc_predictor", GUIDED, [n]) for n in CALLS
        ]
        return Outcome(primary, gates, [*others, *table.figures()])
