"""Stream Q learns from a stream where Q(lambda) does not (Elsayed et al. 2024).

arXiv 2410.14606. The primary: return over the last fifth of the steps in CartPole, of
stream Q(lambda) minus that of plain Q(lambda), seed by seed. The positive control is
DQN, which takes as many steps but keeps and replays them; it has to beat random
actions. The negative control is plain Q(lambda) minus itself with other seeds. Stream Q
without its bounded step, ObGD, and plain Q(lambda) with stream Q's lambda stand among
the figures.
"""

from typing import TypedDict

import numpy as np

from tasks.artifacts.formats import Number, Share
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import BedResults, Floats, Results

RETURN = "return"
FLOOR = 10.0  # the return of an action that is always the same is 8 to 10
CEILING = 0.95  # of the longest episode's return
FELL = 90.0  # % of the points below 100


class Learned(TypedDict):
    """What came of an arm, a list a seed."""

    course: list[list[Number]]
    fell: list[Share]


class Setting(TypedDict):
    """Which arm a job is."""

    arm: str


class Job(TypedDict):
    """One job."""

    settings: Setting
    result: Learned


class World(TypedDict):
    """Of the bed's world."""

    max_steps: int
    ref_min: Number


class Parameters(TypedDict):
    """Of the bed's."""

    world: World


class Bed(TypedDict):
    """What the bed leaves."""

    parameters: Parameters
    jobs: list[Job]


class StreamXClaim(Claim[ClaimParams]):
    """Returns while learning, compared seed by seed."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's returns."""
        bed, smallest = results.bed("stream_x", Bed), self.params.smallest
        courses = {
            job.settings["arm"]: np.array(job.result["course"]) for job in bed.jobs
        }
        last = {arm: course[:, -1] for arm, course in courses.items()}
        world, plain = bed.parameters["world"], last["plain"]
        above = last["replay"] - world["ref_min"]
        below = 100 * fell(bed)
        gates = [
            competence(of_replicates("replay - random actions", above, RETURN)),
            headroom(gap(last, "replay", "plain")),
            within(
                of_replicates("plain", plain, RETURN),
                FLOOR,
                CEILING * world["max_steps"],
            ),
            within(of_replicates("replay, points below 100", below, "%"), high=FELL),
            noise(gap(last, "again", "plain"), smallest),
        ]
        others = [
            gap(last, "stream_x", "fixed"),
            gap(last, "fixed", "plain"),
            gap(last, "stream_x", "traced"),
            gap(last, "replay", "stream_x"),
            *(
                of_replicates(f"{arm}, fifth {i + 1} of the steps", part, RETURN)
                for arm, course in courses.items()
                for i, part in enumerate(course.T)
            ),
        ]
        primary = self.check(gap(last, "stream_x", "plain"))
        return Outcome(primary, gates, others)


def gap(last: dict[str, Floats], better: str, worse: str) -> Figure:
    """One arm minus another in the last fifth, seed by seed."""
    values = last[better] - last[worse]
    return of_replicates(f"{better} - {worse}, last fifth", values, RETURN)


def fell(bed: BedResults) -> Floats:
    """Share of the positive control's points below 100 in the last fifth, (S,)."""
    (job,) = [job for job in bed.jobs if job.settings["arm"] == "replay"]
    return np.array(job.result["fell"])
