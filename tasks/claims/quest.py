"""QuEST trains a language model at one bit better than LSQ (Panferov et al. 2025).

arXiv 2502.05003. In the bed every arm sees the same text, from the same start; a seed
of start and windows is a replicate. The primary is the loss held out of LSQ (Esser et
al. 2020, arXiv 1902.08153), which learns its steps, minus QuEST's at the fewest of the
bed's ``bits``. The positive control is the float network; what is trivial is a table of
pairs of characters; the negative control is QuEST minus itself, seeds paired off.

Beside it, where the bed has them: what QuEST is made without, Hadamard matrices or
trust mask, the largest number with a straight-through gradient, QuEST and LSQ at more
bits, how near gradients at the float network's weights are to the float ones (cosine),
and the files.
"""

from typing import Any, NotRequired, TypedDict

import numpy as np

from tasks.artifacts.formats import Least, Number, Seed, Size
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import BedResults, Floats, Results

NATS = "nats a character"
MODELS = "language models"
FLOAT = ("float", 32)


class Setting(TypedDict):
    """Which arm a job is."""

    name: str
    bits: Size


class Losses(TypedDict):
    """What was measured of an arm, a number a seed."""

    loss: list[Number]
    halves: tuple[list[Number], list[Number]]
    trivial: NotRequired[Number]
    alignment: NotRequired[dict[str, list[Number]]]
    bytes: NotRequired[Least]
    onnx: NotRequired[Number]
    torch: NotRequired[Number]


class Job(TypedDict):
    """What came of an arm."""

    settings: Setting
    result: Losses


class Schedule(TypedDict):
    """Of the bed's parameters."""

    seeds: list[Seed]
    bits: list[Size]


class Bed(TypedDict):
    """What the bed leaves."""

    parameters: Schedule
    jobs: list[Job]


class QuestClaim(Claim[ClaimParams]):
    """The losses, gradients and files of the bed's arms, compared seed by seed."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed."""
        bed = results.bed("quest", Bed)
        few = min(bed.parameters["bits"])
        loss, own = losses(bed), measured(bed)
        trivial = own[FLOAT]["trivial"]
        plain, ours, theirs = loss[FLOAT], loss["quest", few], loss["lsq", few]
        again = ours[:-1:2] - ours[1::2]
        at = f"W{few:g}A{few:g}"
        middle = of_replicates(f"loss of lsq {at}", theirs, NATS, MODELS)
        floor = float(plain.mean())
        gates = [
            competence(gap("pairs of characters - float", trivial - plain)),
            headroom(gap(f"lsq {at} - float", theirs - plain)),
            within(middle, floor, trivial),
            noise(gap(f"quest {at}, a seed - the next", again), self.params.smallest),
        ]
        primary = self.check(gap(f"lsq - quest, {at}", theirs - ours))
        others = [*gaps(bed), *alignments(bed), *files(bed)]
        others += [
            of_replicates(f"loss of {job.name}", loss[key(job)], NATS, MODELS)
            for job in bed.jobs
        ]
        others.append(exact("loss of pairs of characters", trivial, NATS, "counted"))
        return Outcome(primary, gates, others)


def key(job: Any) -> tuple[str, float]:
    """An arm's name and bits."""
    return job.settings["name"], job.settings["bits"]


def measured(bed: BedResults) -> dict[tuple[str, float], Any]:
    """What was measured of each arm."""
    return {key(job): job.result for job in bed.jobs}


def losses(bed: BedResults) -> dict[tuple[str, float], Floats]:
    """Of each arm, (S,)."""
    return {arm: np.array(own["loss"]) for arm, own in measured(bed).items()}


def gap(name: str, values: Floats) -> Figure:
    """A difference of losses, seed by seed."""
    return of_replicates(name, values, NATS, MODELS)


def gaps(bed: BedResults) -> list[Figure]:
    """Every other arm minus QuEST of as many bits; the primary on half the text."""
    loss, few = losses(bed), min(bed.parameters["bits"])
    figures = [
        gap(f"{name} - quest, W{b:g}A{b:g}", values - loss["quest", b])
        for (name, b), values in loss.items()
        if name not in ("float", "quest")
    ]
    pair = [np.array(measured(bed)[arm, few]["halves"]) for arm in ("lsq", "quest")]
    one, other = pair[0] - pair[1]
    name = f"lsq - quest, W{few:g}A{few:g}, on one half of the windows - on the other"
    return [*figures, gap(name, one - other)]


def alignments(bed: BedResults) -> list[Figure]:
    """Of every compared arm."""
    cosines = measured(bed)[FLOAT]["alignment"]
    return [
        of_replicates(f"alignment of {name}", np.array(values), "cosine", MODELS)
        for name, values in cosines.items()
    ]


def files(bed: BedResults) -> list[Figure]:
    """Bytes of the arms' ONNX files, and how far their losses are from torch's."""
    figures = []
    for job in bed.jobs:
        if "bytes" in job.result:
            apart = abs(job.result["onnx"] - job.result["torch"])
            name, size = f"file of {job.name}", job.result["bytes"] / 1000
            figures.append(exact(name, size, "kB", "counted in the file"))
            why = "of the same weights and windows"
            figures.append(exact(f"{name}, loss beside torch's", apart, NATS, why))
    return figures
