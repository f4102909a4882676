"""QuEST trains a language model at 1 and 2 bits better than what it is made without.

Panferov et al. 2025 (arXiv 2502.05003). In the bed every arm sees the same text, from
the same start. The primary is the loss of LSQ minus QuEST's at the fewest of the bed's
``bits``. Beside it stand, at each of the ``bits``, the losses without Hadamard
matrices, without trust mask, and of the absolute maximum with a straight-through
gradient; whether an arm of QuEST's diverges; how its gap to float shrinks as bits grow;
and at the float network's weights how much nearer its gradient is to the float one
(cosine) than the straight-through one is. There is no gate yet, so the bed is refused.

The study's policies stand beside it as figures.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NotRequired, TypedDict

import numpy as np

from tasks.artifacts.formats import Least, Number, Seed, Size
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.engine.results import BedResults, Results

NETWORKS = "language models"
WITHOUT = {
    "no_hadamard": "no Hadamard",
    "no_trust": "no trust mask",
    "ste": "straight-through",
}
NATS = "nats a character"
SYMBOLS = 96  # characters the model tells apart


class Setting(TypedDict):
    """Which arm a job is."""

    name: str
    bits: Size


class Losses(TypedDict):
    """What was measured of an arm, a number a seed."""

    loss: list[Number]
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
    alone: list[Size]


class Bed(TypedDict):
    """What the bed leaves."""

    parameters: Schedule
    jobs: list[Job]


class QuestClaim(Claim[ClaimParams]):
    """The losses, gradients and files of the bed's arms, compared seed by seed."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed; the study's policies stand beside it."""
        bed = results.bed("quest", Bed)
        few = min(bed.parameters["bits"])
        ours, theirs = (arms(bed)[name, few]["loss"] for name in ("quest", "lsq"))
        text = f"W{few:g}A{few:g}: loss of lsq - quest's"
        return Outcome(
            self.check(_gap(text, theirs, ours, NATS)),
            [],
            [*gaps(bed), *losses(bed), *alignments(bed), *files(bed), *played(results)],
        )


def arms(bed: BedResults) -> dict[tuple[str, float], Any]:
    """What was measured of each arm, by its name and bits."""
    return {
        (job.settings["name"], job.settings["bits"]): job.result for job in bed.jobs
    }


def word(name: str, bits: float) -> str:
    """An arm as the bed's alignments name it."""
    return f"{name} W{bits:g}A{bits:g}"


def gaps(bed: BedResults) -> list[Figure]:
    """Differences of the arms, seed by seed."""
    arm, seeds, bits = arms(bed), bed.parameters["seeds"], bed.parameters["bits"]
    figures = []
    for b in bits:
        ours = arm["quest", b]["loss"]
        for name, words in WITHOUT.items():
            text = f"W{b:g}A{b:g}: loss of {words} above quest's"
            figures.append(_gap(text, arm[name, b]["loss"], ours, NATS))
    every = sorted({*bits, *bed.parameters["alone"]})
    quest = {b: arm["quest", b]["loss"] for b in every}
    chance = [math.log(SYMBOLS)] * len(seeds)
    largest = [max(loss) for loss in zip(*quest.values(), strict=True)]
    figures.append(_gap("loss of chance above quest's largest", chance, largest, NATS))
    for few, more in pairwise(every):
        text = f"gap to float of {few:g} bits above that of {more:g}"
        figures.append(_gap(text, quest[few], quest[more], NATS))
    cosine = arm["float", 32]["alignment"]
    for b in bits:
        ours, theirs = (cosine[word(name, b)] for name in ("quest", "ste"))
        text = f"W{b:g}A{b:g}: alignment of gradients above straight-through's"
        figures.append(_gap(text, ours, theirs, "cosine"))
    return figures


def losses(bed: BedResults) -> list[Figure]:
    """Of every arm and seed."""
    return [
        of_replicates(f"loss of {job.name}", job.result["loss"], NATS, NETWORKS)
        for job in bed.jobs
    ]


def alignments(bed: BedResults) -> list[Figure]:
    """Of every compared arm and seed."""
    cosines: Mapping[str, Sequence[float]] = arms(bed)["float", 32]["alignment"]
    return [
        of_replicates(f"alignment of {name}", np.array(values), "cosine", NETWORKS)
        for name, values in cosines.items()
    ]


def files(bed: BedResults) -> list[Figure]:
    """Bytes of the arms' ONNX files, and how far their losses are from torch's."""
    figures = []
    for job in bed.jobs:
        if "bytes" in job.result:
            apart = abs(job.result["onnx"] - job.result["torch"])
            name = f"file of {job.name}"
            size, why = job.result["bytes"] / 1000, "counted in the file"
            figures.append(exact(name, size, "kB", why))
            why = "of the same weights and windows"
            figures.append(exact(f"{name}, loss beside torch's", apart, NATS, why))
    return figures


def _gap(name: str, larger: list[float], smaller: list[float], unit: str) -> Figure:
    """How much larger one is, seed by seed."""
    return of_replicates(name, np.array(larger) - np.array(smaller), unit, NETWORKS)


def played(results: Results) -> list[Figure]:
    """Scores and bytes of the study's policies."""
    study, figures = results.params["study"], []
    for dataset in study["datasets"]:
        for policy in study["policies"]:
            for variant in study["variants"]:
                name = f"{policy} {variant} on {dataset}"
                scores = results.means(dataset, policy, variant)
                figures.append(of_replicates(name, scores))
                folder = results.root / "onnx" / dataset / policy / variant
                file = folder / f"seed-{results.seeds[0]}.onnx"
                size = file.stat().st_size / 1000
                figures.append(
                    exact(f"file of {name}", size, "kB", "counted in the file")
                )
    return figures
