"""States of the model's own chain calibrate it best (Shang et al. 2023).

Wanted in the bed, at the lowest of its ``bits``: calibrated by NDTC a
network predicts the noise near t = 0 with a smaller error than calibrated on noise, on
data or on the chain at T-1, and its samples (DDIM) are nearer to the data. At 8 bits
they are no further than one deviation of the float networks' own samples, noise and
data drawn again. And the study's diffusion policy at 8 bits scores no less than float
by each sampler, but for half of the float score's interval.

The card says: at the lowest number of bits where float and quantised differ. That is
taken as the lowest there is; figures say how far apart they are. Arms on the study's
policy stand beside as figures, where they need no logged actions, and what the layers
see at three times of the chain. The paper's images and UNet are left out.
"""

from typing import Annotated, TypedDict

import numpy as np

from tasks.artifacts.formats import Least, Number, Size
from tasks.artifacts.params import OneOf
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import BedResults, Floats, JobResult, Results, exact

WORSE = ("noise", "data", "noisy")  # than ndtc, says the claim
ERRORS = {"near": "near t = 0", "mean": "mean"}  # of the noise predicted, over times
RELATIVE = "relative error of the noise"
APART = "sliced distance to data"
Table = list[list[Size]]


class Kind(TypedDict):
    """What a job of the float networks is."""

    kind: Annotated[str, OneOf(("float",))]


class OfFloat(TypedDict):
    """Distances of the float networks, and what their layers see."""

    floats: dict[str, Table]
    inputs: dict[str, tuple[Number, Number, Number]]


class Float(TypedDict):
    """The job of the float networks."""

    settings: Kind
    result: OfFloat


class ArmKind(TypedDict):
    """Which arm a job is."""

    kind: Annotated[str, OneOf(("arm",))]
    arm: str
    bits: Least


class Arm(TypedDict):
    """The tables of an arm."""

    settings: ArmKind
    result: dict[str, Table]


class PolicyKind(TypedDict):
    """Which arm a job on the study's policy is."""

    kind: Annotated[str, OneOf(("policy",))]
    arm: str


class OnPolicy(TypedDict):
    """Errors of an arm on the study's policy."""

    settings: PolicyKind
    result: dict[str, Size]


class Widths(TypedDict):
    """Of the bed's parameters."""

    bits: list[Least]


class Bed(TypedDict):
    """What the bed leaves."""

    parameters: Widths
    jobs: list[Float | Arm | OnPolicy]


class PTQ4DM(Claim[ClaimParams]):
    """Errors by the states a network is calibrated on, and the study's scores."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's arms and the study's policies."""
        bed = results.bed("ptq4dm", Bed)
        checks, figures = of_bed(results, bed)
        scores, scored = of_scores(results)
        others = [*figures, *scored, *of_policy(results, bed)]
        return Outcome([*checks, *scores], others)


def jobs_of(bed: BedResults, kind: str) -> list[JobResult]:
    """The bed's jobs of a kind."""
    return [job for job in bed.jobs if job.settings["kind"] == kind]


def of_bed(results: Results, bed: BedResults) -> tuple[list[Check], list[Figure]]:
    """What must be seen in the bed, and its tables."""
    cells = {
        (job.settings["arm"], job.settings["bits"]): {
            name: np.array(table) for name, table in job.result.items()
        }
        for job in jobs_of(bed, "arm")
    }
    low, high = min(bed.parameters["bits"]), max(bed.parameters["bits"])
    ndtc, checks = cells["ndtc", low], []
    for name, unit in (("near", RELATIVE), ("ddim", APART)):
        what = "error near t = 0" if name == "near" else "distance of samples"
        checks += [
            Check(
                results.gap(
                    cells[arm, low][name],
                    ndtc[name],
                    f"{what}, {arm} over ndtc, {low} bits",
                    unit,
                )
            )
            for arm in WORSE
        ]
    (network,) = jobs_of(bed, "float")
    floats = {name: np.array(table) for name, table in network.result["floats"].items()}
    spread = np.maximum(floats["ddim"].std(axis=1, ddof=1), 1e-6)[:, None]
    closer = (floats["ddim"][:, :1] - cells["ndtc", high]["ddim"]) / spread
    name = f"float over ndtc at {high} bits, distance in float's deviations"
    checks.append(Check(results.figure(name, closer, ""), bound=-1.0))
    figures = [
        results.figure(f"float, {name}", table, APART) for name, table in floats.items()
    ]
    for (arm, bits), tables in cells.items():
        for key, table in tables.items():
            unit = RELATIVE if key in ERRORS else APART
            figures.append(results.figure(f"{arm}, {bits} bits, {key}", table, unit))
    inputs = network.result["inputs"]
    figures += [
        Figure(f"input of {name}", middle, least, most, "median, 0.1 to 99.9 %")
        for name in sorted(inputs, key=by_layer_and_time)
        for least, middle, most in [inputs[name]]
    ]
    return checks, figures


def of_policy(results: Results, bed: BedResults) -> list[Figure]:
    """Arms on the study's diffusion policy, errors of the noise predicted."""
    jobs, low = jobs_of(bed, "policy"), min(bed.parameters["bits"])
    figures = []
    for arm in dict.fromkeys(job.settings["arm"] for job in jobs):
        own = [job.result for job in jobs if job.settings["arm"] == arm]
        for key, words in ERRORS.items():
            table = np.array([[errors[key]] for errors in own])  # (S, 1)
            name = f"dql, {arm}, {low} bits, {words}"
            figures.append(results.figure(name, table, RELATIVE))
    return figures


def by_layer_and_time(name: str) -> tuple[str, float]:
    """Key to sort inputs by; in the order of letters 19 comes before 9."""
    layer, time = name.split(" at t = ")
    return layer, float(time)


def of_scores(results: Results) -> tuple[list[Check], list[Figure]]:
    """That W8A8 scores as float, by every sampler of the study."""
    study = results.params["study"]
    data, sampled = study["datasets"][0], study["sampled"]
    endings = [f"-{s}-{n}" for s in sampled["samplers"] for n in sampled["steps"]]
    checks, figures = [], []
    for learner in study["policies"]:
        for ending in ["", *(endings if learner in sampled["policies"] else [])]:
            both: list[Floats] = [
                results.score(data, learner, f"{variant}{ending}")
                for variant in ("float32", "ptq4dm")
            ]
            plain = results.figure(f"{learner}, float32{ending}", both[0])
            figures += [plain, results.figure(f"{learner}, ptq4dm{ending}", both[1])]
            if ending:
                noise = (plain.high - plain.low) / 2
                name = f"score, {learner}, ptq4dm{ending} over float"
                checks.append(Check(results.gap(both[1], both[0], name), bound=-noise))
                figures.append(
                    exact(f"half of {learner}'s interval{ending}", noise, "score")
                )
    return checks, figures
