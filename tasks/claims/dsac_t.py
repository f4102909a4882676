"""DSAC-T learns at any scale of the rewards, DSAC-v1 does not (Duan et al. 2025).

The primary: the score at the worse of two scales, DSAC-T's minus DSAC-v1's, seed by
seed. Rewards are scaled in training only; the score is the world's.
The positive control is DSAC-v1 with its bound scaled by hand, which shows that the
scale is what it suffers from; the negative one the two halves of v1's episodes.

Beside it stand SAC on the same networks, DSAC-T by the paper's gradient (the code's
loss has Huber's threshold of 50 at every scale), each arm at each scale, and the
mechanism: the share of rows whose drawn target is clipped, and the deviation.
"""

from typing import TypedDict

import numpy as np

from tasks.artifacts.formats import Number
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.cores.offline import CEILING
from tasks.claims.engine.results import Floats, Results

TOLD = {"clipped": "share", "deviation": "scaled return"}  # by their units
Table = list[list[Number]]  # a list a scale, of a number a seed


class Told(TypedDict):
    """What the curves say at a log."""

    clipped: Table
    deviation: Table
    temperature: Table
    value: Table


class Scores(TypedDict):
    """What came of an arm."""

    score: Table
    noise: Table
    first: Told
    last: Told


class Setting(TypedDict):
    """Which arm a job is."""

    arm: str


class Job(TypedDict):
    """One job."""

    settings: Setting
    result: Scores


class Bed(TypedDict):
    """What the bed leaves."""

    jobs: list[Job]


class DSACT(Claim[ClaimParams]):
    """Scores at scaled rewards."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's scores."""
        bed = results.bed("dsac_t", Bed)
        scales = bed.parameters["scales"]
        arms: dict[str, Scores] = {j.settings["arm"]: j.result for j in bed.jobs}
        worst: dict[str, Floats] = {
            arm: np.min(found["score"], axis=0) for arm, found in arms.items()
        }
        first = arms["dsac_v1"]

        def gap(better: str, worse: str) -> Figure:
            name = f"{better} - {worse}, the worse scale"
            return of_replicates(name, worst[better] - worst[worse])

        halves = np.mean(first["noise"], axis=0)
        control = worst["dsac_v1_scaled"]
        gates = [
            competence(of_replicates("dsac_v1_scaled - the random policy", control)),
            headroom(gap("dsac_v1_scaled", "dsac_v1")),
            within(
                of_replicates("dsac_v1, the worse scale", worst["dsac_v1"]),
                high=CEILING,
            ),
            noise(
                of_replicates("dsac_v1: even episodes less odd ones", halves),
                self.params.smallest,
            ),
        ]
        others = [gap("dsac_t", "sac"), gap("dsac_t", "dsac_v1_scaled")]
        others.append(gap("dsac_t_paper", "dsac_v1"))
        for arm, found in arms.items():
            for scale, scores in zip(scales, found["score"], strict=True):
                name = f"{arm}, rewards x {scale:g}"
                others.append(of_replicates(name, np.array(scores)))
        for arm in ("dsac_t", "dsac_t_paper", "dsac_v1"):
            others += mechanism(arm, arms[arm], scales)
        return Outcome(self.check(gap("dsac_t", "dsac_v1")), gates, others)


def mechanism(arm: str, found: Scores, scales: list[float]) -> list[Figure]:
    """Shares of clipped targets and deviations, at the first updates and the last.

    Args:
        arm: Its name.
        found: What came of it.
        scales: Of the rewards.
    """
    logs = {"at first": found["first"], "in the end": found["last"]}
    return [
        of_replicates(
            f"{arm}, rewards x {scale:g}: {what}, {when}", np.array(values), unit
        )
        for what, unit in TOLD.items()
        for when, log in logs.items()
        for scale, values in zip(scales, log[what], strict=True)  # type: ignore[literal-required]
    ]
