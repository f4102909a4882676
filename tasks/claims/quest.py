"""QuEST trains a language model at 1 and 2 bits better than what it is made without.

Panferov et al. 2025 (arXiv 2502.05003). In the bed every arm sees the same text, from
the same start. What is wanted holds for every seed: at each of the bed's ``bits`` a
lower loss than without Hadamard matrices, without trust mask, and than the absolute
maximum with a straight-through gradient; no arm of QuEST's diverges; its gap to float
shrinks as bits grow, those where it is trained ``alone`` included; and at the float
network's weights its gradient is nearer to the float one (cosine) than the
straight-through one is.

The study's policies stand beside it as figures.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NotRequired, TypedDict

from tasks.artifacts.formats import Least, Number, Seed, Size
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import BedResults, Results, exact, worst

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
        return Outcome(
            checks(bed),
            [*losses(bed), *alignments(bed), *files(bed), *played(results)],
        )


def arms(bed: BedResults) -> dict[tuple[str, float], Any]:
    """What was measured of each arm, by its name and bits."""
    return {
        (job.settings["name"], job.settings["bits"]): job.result for job in bed.jobs
    }


def word(name: str, bits: float) -> str:
    """An arm as the bed's alignments name it."""
    return f"{name} W{bits:g}A{bits:g}"


def checks(bed: BedResults) -> list[Check]:
    """What must be seen."""
    arm, seeds, bits = arms(bed), bed.parameters["seeds"], bed.parameters["bits"]
    checks = []
    for b in bits:
        ours = arm["quest", b]["loss"]
        for name, words in WITHOUT.items():
            text = f"W{b:g}A{b:g}: loss of {words} above quest's"
            checks.append(_each(text, arm[name, b]["loss"], ours, NATS))
    every = sorted({*bits, *bed.parameters["alone"]})
    quest = {b: arm["quest", b]["loss"] for b in every}
    chance = [math.log(SYMBOLS)] * len(seeds)
    largest = [max(loss) for loss in zip(*quest.values(), strict=True)]
    checks.append(_each("loss of chance above quest's largest", chance, largest, NATS))
    for few, more in pairwise(every):
        text = f"gap to float of {few:g} bits above that of {more:g}"
        checks.append(_each(text, quest[few], quest[more], NATS))
    cosine = arm["float", 32]["alignment"]
    for b in bits:
        ours, theirs = (cosine[word(name, b)] for name in ("quest", "ste"))
        text = f"W{b:g}A{b:g}: alignment of gradients above straight-through's"
        checks.append(_each(text, ours, theirs, "cosine"))
    return checks


def losses(bed: BedResults) -> list[Figure]:
    """Of every arm and seed."""
    return [
        exact(f"loss of {job.name}, seed {seed}", loss, NATS)
        for job in bed.jobs
        for seed, loss in zip(bed.parameters["seeds"], job.result["loss"], strict=True)
    ]


def alignments(bed: BedResults) -> list[Figure]:
    """Of every compared arm and seed."""
    cosines: Mapping[str, Sequence[float]] = arms(bed)["float", 32]["alignment"]
    return [
        exact(f"alignment of {name}, seed {seed}", value, "cosine")
        for name, values in cosines.items()
        for seed, value in zip(bed.parameters["seeds"], values, strict=True)
    ]


def files(bed: BedResults) -> list[Figure]:
    """Bytes of the arms' ONNX files, and how far their losses are from torch's."""
    figures = []
    for job in bed.jobs:
        if "bytes" in job.result:
            apart = abs(job.result["onnx"] - job.result["torch"])
            name = f"file of {job.name}"
            figures.append(exact(name, job.result["bytes"] / 1000, "kB"))
            figures.append(exact(f"{name}, loss beside torch's", apart, NATS))
    return figures


def _each(name: str, larger: list[float], smaller: list[float], unit: str) -> Check:
    """That one is larger for every seed."""
    pairs = enumerate(zip(larger, smaller, strict=True))
    return Check(worst({i: a - b for i, (a, b) in pairs}, f"{name}, worst seed", unit))


def played(results: Results) -> list[Figure]:
    """Scores and bytes of the study's policies."""
    study, figures = results.params["study"], []
    for dataset in study["datasets"]:
        for policy in study["policies"]:
            for variant in study["variants"]:
                name = f"{policy} {variant} on {dataset}"
                score = results.score(dataset, policy, variant)
                figures.append(results.middle(name, score))
                folder = results.root / "onnx" / dataset / policy / variant
                file = folder / f"seed-{results.seeds[0]}.onnx"
                size = file.stat().st_size / 1000
                figures.append(exact(f"file of {name}", size, "kB"))
    return figures
