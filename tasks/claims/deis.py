"""Each ingredient of DEIS makes samples of few calls better (Zhang and Chen 2023).

Wanted in the bed's table of modes of std 0.3: Euler on the ODE errs most of the ladder
at 10, 15 and 20 calls; at 15 calls tAB of order 2 errs at least 5 times less than DDIM
and of order 3 at least 3 times; and with narrow modes (0.05), whose noise prediction
bends late, quadratic times help order 3 at 10, 15 and 20 calls. That the score's form
is much worse than the noise's is said of trained networks; both stand in the figures.
"""

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.samplers import errors
from tasks.claims.engine.results import Results

RUNGS = ("score_ei", "ddim", "tab1", "tab2", "tab3", "tab3_quadratic")
LATE = (10, 15, 20)


class Deis(Claim[ClaimParams]):
    """Errors with more and more ingredients, beside Euler's and each other's."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's two tables."""
        wide = errors(results, "deis", "wide")
        narrow = errors(results, "deis", "narrow")
        others = []
        for rung in RUNGS:
            worse = [("euler", 0.0, n) for n in LATE]
            better = [(rung, 0.0, n) for n in LATE]
            name = f"euler over {rung}, mean of 10 to 20 calls"
            others.append(wide.ratio(name, worse, better))
        others.append(wide.pair("ddim", "tab3", 0.0, 15))
        others += [narrow.pair("tab3", "tab3_quadratic", 0.0, n) for n in LATE]
        primary = self.check(wide.pair("ddim", "tab2", 0.0, 15))
        return Outcome(primary, [], [*others, *wide.figures()])
