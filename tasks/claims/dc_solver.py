"""DC-Solver errs less than UniPC at few network calls (Zhao et al. 2024).

Wanted in the bed's table: DC below UniPC with 5 and 6 calls without guidance, and with
5, 6, 8 and 10 under guidance 7.5; and the reason the paper gives, that under guidance
UniPC errs more than its own predictor. Order 2, bh2, as in the paper's guided runs; its
order 3, bh1 without guidance stands beside as figures.
"""

from tasks.claims import Check, Claim, ClaimParams, Outcome
from tasks.claims.cores.samplers import errors
from tasks.claims.engine.results import Results

CALLS = (5, 6, 8, 10)
GUIDED = 7.5


class DCSolver(Claim[ClaimParams]):
    """Errors of DC-Solver beside UniPC's, and of UniPC beside its predictor's."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's table."""
        table = errors(results, "dc_solver", "all")
        checks = [table.check("unipc", "dc_solver", 0.0, n) for n in (5, 6)]
        checks += [table.check("unipc", "dc_solver", GUIDED, n) for n in CALLS]
        worse = [("unipc", GUIDED, n) for n in CALLS]
        better = [("unipc_predictor", GUIDED, n) for n in CALLS]
        name = "unipc over its predictor, guidance 7.5, mean of 5 to 10 calls"
        checks.append(Check(table.ratio(name, worse, better)))
        return Outcome(checks, table.figures())
