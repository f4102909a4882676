"""DC-Solver errs less than UniPC at few network calls (Zhao et al. 2024).

Wanted on the bed of ``_samplers``: DC below UniPC with 5 and 6 calls without guidance,
and with 5, 6, 8 and 10 under guidance 7.5; and the reason the paper gives, that under
guidance UniPC errs more than its own predictor. Order 2, bh2, as in the paper's guided
runs; its order 3, bh1 without guidance stands beside as figures.
"""

from tasks.claims import Check, Claim, Outcome
from tasks.claims.cores.samplers import BedParams, errors
from tasks.claims.engine.results import Results

NAMES = ("ddim", "dpm_solver", "unipc", "unipc_predictor", "dc_solver")
THIRD = ("unipc3_bh1", "dc_solver3_bh1")
CALLS = (5, 6, 8, 10)
GUIDED = 7.5


class DCSolver(Claim):
    """See the module."""

    Parameters = BedParams
    params: BedParams

    def outcome(self, results: Results) -> Outcome:
        """See :meth:`Claim.outcome`."""
        guidances = (0.0, 4.0, GUIDED)
        found = errors(self.params, results, NAMES + THIRD, guidances, CALLS, std=0.3)
        checks = [found.check("unipc", "dc_solver", 0.0, n) for n in (5, 6)]
        checks += [found.check("unipc", "dc_solver", GUIDED, n) for n in CALLS]
        worse = [("unipc", GUIDED, n) for n in CALLS]
        better = [("unipc_predictor", GUIDED, n) for n in CALLS]
        name = "unipc over its predictor, guidance 7.5, mean of 5 to 10 calls"
        checks.append(Check(found.ratio(name, worse, better)))
        return Outcome(checks, found.figures())
