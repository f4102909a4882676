"""DEIS errs less than DDIM at few network calls (Zhang and Chen 2023).

The primary is the paper's headline, ten calls, by its own defaults: DDIM on even times
over tAB of order 3 on quadratic ones, in the bed's table of modes of std 0.3, by the
logarithm of the mean error; a mixture is a replicate. The positive control is DDIM with
twice the calls; what is trivial is Euler's method on the equation itself.

Beside it stands the ladder of ingredients one after the other, and narrow modes (0.05),
whose noise prediction bends late. That the score's form is much worse than the noise's
is said of trained networks; both stand in the figures.
"""

from dataclasses import replace

import numpy as np

from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.cores.samplers import MIXTURES, RATIO, errors
from tasks.claims.engine.results import Results

RUNGS = ("score_ei", "ddim", "tab1", "tab2", "tab3", "tab3_quadratic")
CALLS, TWICE = [10], [20]
LATE = (10, 15, 20)


class Deis(Claim[ClaimParams]):
    """Errors with more and more ingredients, beside Euler's and each other's."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's two tables."""
        wide, narrow = (
            errors(results, "deis", table, "means") for table in ("wide", "narrow")
        )
        narrow = replace(narrow, words=f"narrow modes, {narrow.words}")
        usual = errors(results, "deis", "wide", "logs")
        control = wide.logs("ddim", 0.0, TWICE)
        gaps = {
            name: of_replicates(
                f"{name}, 10 calls, over ddim, 20 calls",
                np.asarray(wide.logs(name, 0.0, CALLS) - control),
                RATIO,
                MIXTURES,
            )
            for name in ("euler", "ddim")
        }
        pair = ("ddim", "tab3_quadratic", 0.0, CALLS)
        gates = [
            competence(gaps["euler"]),
            headroom(gaps["ddim"]),
            # ln of the data's variance a dimension, 2.1: nothing of the noise is used
            within(wide.error("ddim", 0.0, CALLS), high=0.7),
            noise(wide.twice(*pair), self.params.smallest),
        ]
        others = [
            wide.ratio(worse, better, 0.0, LATE)
            for worse, better in zip(("euler", *RUNGS), RUNGS, strict=False)
        ]
        others += [wide.ratio("ddim", "tab3_quadratic", 0.0, [n]) for n in LATE[1:]]
        others += [usual.ratio(*pair), usual.ratio("euler", "ddim", 0.0, CALLS)]
        others += [
            narrow.ratio(worse, "tab3_quadratic", 0.0, [n])
            for worse in ("ddim", "tab3")
            for n in LATE
        ]
        primary = self.check(wide.ratio(*pair))
        return Outcome(primary, gates, [*others, *wide.figures(), *usual.figures()])
