"""A carried stock makes the worst half of returns better (Avila Pires et al. 2025).

The primary: the mean of the worst half of returns of the agent with a stock, minus that
of the one that is greedy in the worst half of what is to come, seed by seed, in the
two-step world. There safe after no loss and risky after one has -6.0, safe always -6.9.
Of the worst tenth all of them have -6.9, so nothing could be seen there.

What is trivial is to act at random; the positive control is the exact table; the
negative one is the agent again, with other seeds. Laws are enumerated, so that all
chance is that of training.
"""

from typing import TypedDict

import numpy as np

from tasks.artifacts.formats import Number
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import Results

RANDOM = -6.55  # the worst half of random actions, by hand
FLOOR, CEILING = -9.9, -6.1  # the worst return is -10, the best policy has -6
UNIT = "return"


class Setting(TypedDict):
    """Which objective."""

    arm: str


class Laws(TypedDict):
    """A number a seed."""

    worst: list[Number]
    mean: list[Number]


class Job(TypedDict):
    """One objective."""

    settings: Setting
    result: Laws


class Bed(TypedDict):
    """What the bed leaves."""

    jobs: list[Job]


class StockAugmentedDP(Claim[ClaimParams]):
    """The worst half of returns, with a stock and without."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's laws."""
        jobs = results.bed("stock_augmented_dp", Bed).jobs
        worst = {job.settings["arm"]: np.array(job.result["worst"]) for job in jobs}
        means = {job.settings["arm"]: np.array(job.result["mean"]) for job in jobs}

        def gap(one: str, other: str) -> Figure:
            name = f"{one} - {other}, worst half"
            return of_replicates(name, worst[one] - worst[other], UNIT)

        chance = of_replicates(
            "exact - random actions, worst half", worst["exact"] - RANDOM, UNIT
        )
        blind = of_replicates(
            "worst_without_stock, worst half", worst["worst_without_stock"], UNIT
        )
        gates = [
            competence(chance),
            headroom(gap("exact", "worst_without_stock")),
            within(blind, FLOOR, CEILING),
            noise(gap("worst", "again"), self.params.smallest),
        ]
        figures = [
            gap("exact", "worst"),
            gap("worst", "mean"),
            *(of_replicates(f"{k}, mean", v, UNIT) for k, v in means.items()),
            *(of_replicates(f"{k}, worst half", v, UNIT) for k, v in worst.items()),
        ]
        return Outcome(self.check(gap("worst", "worst_without_stock")), gates, figures)
