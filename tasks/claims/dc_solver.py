"""DC-Solver errs less than UniPC at few network calls (Zhao et al. 2024).

Wanted in the bed's table: DC below UniPC with 5 and 6 calls without guidance, and with
5, 6, 8 and 10 under guidance 7.5; and the reason the paper gives, that under guidance
UniPC errs more than its own predictor. Order 2, bh2, as in the paper's guided runs; its
order 3, bh1 without guidance stands beside as figures.
"""

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.samplers import errors
from tasks.claims.engine.results import Results

CALLS = (5, 6, 8, 10)
GUIDED = 7.5


class DCSolver(Claim[ClaimParams]):
    """Errors of DC-Solver beside UniPC's, and of UniPC beside its predictor's."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's table."""
        table = errors(results, "dc_solver", "all")
        others = [table.pair("unipc", "dc_solver", 0.0, n) for n in (5, 6)]
        others += [table.pair("unipc", "dc_solver", GUIDED, n) for n in CALLS]

        def cells(sampler: str) -> list[tuple[str, float, int]]:
            return [(sampler, GUIDED, n) for n in CALLS]

        words = "guidance 7.5, mean of 5 to 10 calls"
        name = f"unipc over its predictor, {words}"
        others.append(table.ratio(name, cells("unipc"), cells("unipc_predictor")))
        gain = table.ratio(
            f"unipc over dc_solver, {words}", cells("unipc"), cells("dc_solver")
        )
        return Outcome(self.check(gain), [], [*others, *table.figures()])
