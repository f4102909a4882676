"""Scores of learners and what their bed is asked, for claims about learners.

They come of beds that train and play with ``tasks/beds/cores/offline.py``, a job an arm
on one kind of data, or of a study whose seeds share a named dataset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from tasks.artifacts.curves import read_horizon
from tasks.artifacts.formats import Number, Share, Size
from tasks.claims import Figure, Gate
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import BedResults, Floats, Results

EARLY = 100  # steps; an episode that ends sooner has fallen
FLOOR, CEILING = 90.0, 95.0  # % of episodes that fell; score of the baseline
HORIZON = 1.5  # of a horizon, with which critics have 78 % of their value
VALUE = 80.0  # % of the data's value


class Reached(TypedDict):
    """What of their horizon the critics have had."""

    share: Size
    value: Number
    data_value: Number


class Scores(TypedDict):
    """What came of an arm, a number a replicate."""

    score: list[Number]
    noise: list[Number]
    fell: list[Share]
    data: list[Number]
    horizon: Reached


class Setting(TypedDict):
    """Which arm a job is, on which data."""

    arm: str
    data: str


class Job(TypedDict):
    """One job."""

    settings: Setting
    result: Scores


class Bed(TypedDict):
    """What such a bed leaves."""

    jobs: list[Job]


@dataclass(frozen=True)
class Arms:
    """What came of every arm.

    Attributes:
        results: By (arm, data).
    """

    results: dict[tuple[str, str], Scores]

    def score(self, arm: str, data: Sequence[str]) -> Floats:
        """Mean over kinds of data, (S,)."""
        rows = [self.results[arm, one]["score"] for one in data]
        mean: Floats = np.mean(rows, axis=0)
        return mean

    def fell(self, arm: str, data: Sequence[str]) -> Floats:
        """Share of episodes that ended within 100 steps, mean over data, (S,)."""
        rows = [self.results[arm, one]["fell"] for one in data]
        mean: Floats = np.mean(rows, axis=0)
        return mean

    def gap(self, better: str, worse: str, data: Sequence[str], what: str) -> Figure:
        """One arm minus another, replicate by replicate, mean over kinds of data."""
        values = self.score(better, data) - self.score(worse, data)
        return of_replicates(f"{better} - {worse}, {what}", values)

    def competent(
        self, control: str, data: str, *, cloning: str = "bc", more: float = 0.0
    ) -> list[Gate]:
        """That a control beats cloning and its data, and its critics had their time.

        Args:
            control: The positive control.
            data: What it learned from.
            cloning: The arm that clones.
            more: By how much it has to beat cloning.
        """
        own, mean = self.score(control, [data]), self.results[control, data]["data"]
        above = of_replicates(f"{control} - the data's mean, {data}", own - mean)
        return [
            competence(self.gap(control, cloning, [data], data), more),
            competence(above),
            self.trained(control, data),
        ]

    def trained(self, arm: str, data: str) -> Gate:
        """That critics have had 1.5 of a horizon, or 80 % of the data's value."""
        reached = self.results[arm, data]["horizon"]
        name = f"{arm}, {data}: share of the critics' horizon"
        worth = reached["data_value"]
        value = 100 * reached["value"] / worth if worth > 0 else 0.0
        rule = f"{HORIZON:g} or more, or a value of {VALUE:g} % of the data's"
        rule += f" (it is {value:.0f} %)"
        why = "of the updates and rates"
        figure = exact(name, reached["share"], "horizons", why)
        passed = reached["share"] >= HORIZON - 1e-9 or value >= VALUE
        return Gate("competence", figure, rule, passed)

    def room(self, control: str, baseline: str, data: Sequence[str]) -> list[Gate]:
        """That the baseline leaves something to gain, and is not on the floor.

        Args:
            control: The positive control.
            baseline: What the method is compared with.
            data: On which the claim is judged.
        """
        what = ", ".join(data)
        score = of_replicates(f"{baseline}, {what}", self.score(baseline, data))
        name = f"{control}, {what}: episodes over within 100 steps"
        fell = of_replicates(name, 100 * self.fell(control, data), "%")
        return [
            headroom(self.gap(control, baseline, data, what)),
            within(score, high=CEILING),
            within(fell, high=FLOOR),
        ]

    def twice(self, arm: str, data: Sequence[str], smallest: float) -> Gate:
        """That the same policies score alike on two halves of their episodes."""
        rows = [self.results[arm, one]["noise"] for one in data]
        name = f"{arm}, {', '.join(data)}: even episodes less odd ones"
        return noise(of_replicates(name, np.mean(rows, axis=0)), smallest)

    def figures(self) -> list[Figure]:
        """The score of every arm, and the mean of its data."""
        every = []
        for (arm, data), found in self.results.items():
            every.append(of_replicates(f"{arm}, {data}", np.array(found["score"])))
        means = {data: found["data"] for (_, data), found in self.results.items()}
        for data, values in means.items():
            every.append(of_replicates(f"the data's mean, {data}", np.array(values)))
        return every


def arms(bed: BedResults) -> Arms:
    """What came of every arm of a bed."""
    return Arms({(j.settings["arm"], j.settings["data"]): j.result for j in bed.jobs})


def of_study(
    results: Results, data: str, policies: Mapping[str, tuple[str, str]]
) -> Arms:
    """What came of policies of a study on one dataset.

    Args:
        results: Of the study.
        data: The dataset.
        policies: Policy and variant of each arm, by its name.
    """
    found: dict[tuple[str, str], Scores] = {}
    mean = [results.data_score(data)] * len(results.seeds)
    for arm, (policy, variant) in policies.items():
        score = results.score(data, policy, variant)
        halves = score[:, ::2].mean(1) - score[:, 1::2].mean(1)
        early = results.lengths(data, policy, variant) < EARLY
        reached = read_horizon(results.root / "policies" / data / policy, "dvc repro")
        found[arm, data] = {
            "score": score.mean(1).tolist(),
            "noise": halves.tolist(),
            "fell": early.mean(1).tolist(),
            "data": mean,
            "horizon": {
                "share": reached["share"] if reached else 0.0,
                "value": reached["value"] if reached else 0.0,
                "data_value": reached["data_value"] if reached else 0.0,
            },
        }
    return Arms(found)
