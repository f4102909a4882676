"""Pictures made against the quantised network teach it more (Qian et al. 2023).

The primary is the accuracy of ONNX files on new pictures, taught by pictures of AdaDFQ
minus taught by those of GDFQ, which makes them from the float network alone; both with
AdaDFQ's loss, so that nothing but the pictures differs. A seed of float policy and game
is a replicate. Bits are few enough where min-max rounding without training keeps less
than half of float's accuracy, and keeps more with one bit more.

The positive control learns on real pictures; what is trivial is min-max rounding; the
negative control is GDFQ with all chance drawn anew. Beside it: the same with GDFQ's
loss, each method as published, GDFQ against min-max, and how many of AdaDFQ's pictures
lie between its margins.
"""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np

from tasks.artifacts.formats import Count, Least, Seed, Share, Size
from tasks.claims import Claim, ClaimParams, Figure, Gate, Outcome
from tasks.claims.cores.figures import of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import Floats, JobResult, Results

UNIT = "% right"
KEPT = "% of float's accuracy"
HALF = 50.0  # % of float's, below which min-max rounding counts as broken


class Setting(TypedDict):
    """Which arm a job is."""

    pictures: str
    loss: str
    bits: Least
    seed: Seed


class Row(TypedDict):
    """How one epoch went."""

    epoch: Count
    inside: NotRequired[Share]  # of games in which AdaDFQ makes the pictures


class Right(TypedDict):
    """Right answers in each episode, and the course of the game."""

    right: list[Size]
    course: list[Row]


class Job(TypedDict):
    """What came of an arm on one seed."""

    settings: Setting
    result: Right


class Game(TypedDict):
    """Of the method's parameters."""

    warm_up: Count


class Settings(TypedDict):
    """Of the bed's parameters."""

    bits: Least
    game: Game


class Bed(TypedDict):
    """What the bed leaves."""

    parameters: Settings
    jobs: list[Job]


Arm = tuple[str, str, int]  # whose pictures, whose loss, bits


class AdaDFQ(Claim[ClaimParams]):
    """Accuracies of the arms, compared seed by seed."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's arms beside the study's float policies."""
        study = results.params["study"]
        data, learner = study["datasets"][0], study["policies"][0]
        bed = results.bed("adadfq", Bed)
        bits, most = bed.parameters["bits"], results.world(data)["max_steps"]
        right = accuracies(bed.jobs, 100 / most)
        plain = 100 / most * results.returns(data, learner).mean(axis=1)

        def gap(one: str, other: str, of: str = "adadfq", to: str = "adadfq") -> Figure:
            name = f"pictures of {one} - of {other}, loss of {of}"
            name += f" - of {to}" if of != to else ""
            values = right[one, of, bits] - right[other, to, bits]
            return of_replicates(name, values, UNIT)

        def over_minmax(pictures: str, loss: str) -> Figure:
            values = right[pictures, loss, bits] - right["minmax", "none", bits]
            name = f"pictures of {pictures}, loss of {loss} - min-max"
            return of_replicates(name, values, UNIT)

        kept = {
            b: of_replicates(f"min-max at {b} bits", 100 * values / plain, KEPT)
            for (pictures, _, b), values in right.items()
            if pictures == "minmax"
        }
        gates: list[Gate] = [
            competence(over_minmax("real", "adadfq")),
            headroom(gap("real", "gdfq")),
            within(kept[bits], high=HALF),
            within(kept[bits + 1], low=HALF),
            noise(gap("gdfq_again", "gdfq"), self.params.smallest),
        ]
        others = [
            gap("adadfq", "gdfq", "gdfq", "gdfq"),
            gap("adadfq", "gdfq", "adadfq", "gdfq"),  # the methods as published
            over_minmax("gdfq", "gdfq"),
            over_minmax("adadfq", "adadfq"),
            *inside(bed.jobs, bed.parameters["game"]["warm_up"]),
            of_replicates("float32", plain, UNIT),
        ]
        others += [
            of_replicates(
                f"pictures of {pictures}, loss of {loss}, {b} bits", values, UNIT
            )
            for (pictures, loss, b), values in right.items()
        ]
        return Outcome(self.check(gap("adadfq", "gdfq")), gates, others)


def accuracies(jobs: Sequence[JobResult], scale: float) -> dict[Arm, Floats]:
    """Mean over episodes of each seed, (S,), by arm.

    Args:
        jobs: Of the bed; seeds in the order of the study's.
        scale: From right answers of an episode to per cent.
    """
    rows: dict[Arm, list[float]] = {}
    for job in jobs:
        pictures, loss, bits = (job.settings[n] for n in ("pictures", "loss", "bits"))
        mean = float(np.mean(job.result["right"]))
        rows.setdefault((pictures, loss, bits), []).append(scale * mean)
    return {arm: np.array(values) for arm, values in rows.items()}


def inside(jobs: Sequence[JobResult], warm_up: int) -> list[Figure]:
    """Share of AdaDFQ's pictures between its margins once Q learns, a seed."""
    shares: dict[str, list[float]] = {}
    for job in jobs:
        if job.settings["pictures"] == "adadfq":
            own = [r["inside"] for r in job.result["course"] if r["epoch"] >= warm_up]
            shares.setdefault(job.settings["loss"], []).append(float(np.mean(own)))
    return [
        of_replicates(f"between the margins, loss of {loss}", np.array(values), "share")
        for loss, values in shares.items()
    ]
