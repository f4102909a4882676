"""States of the model's own chain calibrate it best (Shang et al. 2023).

The primary, at the lowest of the bed's ``bits``: how much larger the error of the noise
predicted near t = 0 is for a network calibrated on noise than by NDTC, in logarithms.
Beside it stand the other arms, samples (DDIM) and their distance to the data, 8 bits
against float, the study's diffusion policy by each sampler, arms on that policy where
they need no logged actions, and what the layers see at three times of the chain. The
paper's images and UNet are left out. There is no gate yet, so the bed is refused.
"""

from typing import Annotated, TypedDict

import numpy as np

from tasks.artifacts.formats import Least, Number, Size
from tasks.artifacts.params import OneOf
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.engine.results import BedResults, Floats, JobResult, Results

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
        gain, *figures = of_bed(bed)
        others = [*figures, *of_scores(results), *of_policy(bed)]
        return Outcome(self.check(gain), [], others)


def jobs_of(bed: BedResults, kind: str) -> list[JobResult]:
    """The bed's jobs of a kind."""
    return [job for job in bed.jobs if job.settings["kind"] == kind]


def of_networks(name: str, table: Floats, unit: str) -> Figure:
    """The mean of a table (networks, calibrations)."""
    return of_replicates(name, table.mean(axis=1), unit, "networks")


def of_bed(bed: BedResults) -> list[Figure]:
    """The primary's figure, then the bed's other comparisons and its tables."""
    cells = {
        (job.settings["arm"], job.settings["bits"]): {
            name: np.array(table) for name, table in job.result.items()
        }
        for job in jobs_of(bed, "arm")
    }
    low, high = min(bed.parameters["bits"]), max(bed.parameters["bits"])
    ndtc = cells["ndtc", low]
    gain = np.log(cells["noise", low]["near"]) - np.log(ndtc["near"])
    words = f"ln error near t = 0, noise over ndtc, {low} bits"
    figures = [of_networks(words, gain, "ln ratio")]
    for name, unit in (("near", RELATIVE), ("ddim", APART)):
        what = "error near t = 0" if name == "near" else "distance of samples"
        figures += [
            of_networks(
                f"{what}, {arm} over ndtc, {low} bits",
                cells[arm, low][name] - ndtc[name],
                unit,
            )
            for arm in WORSE
        ]
    (network,) = jobs_of(bed, "float")
    floats = {name: np.array(table) for name, table in network.result["floats"].items()}
    spread = np.maximum(floats["ddim"].std(axis=1, ddof=1), 1e-6)[:, None]
    closer = (floats["ddim"][:, :1] - cells["ndtc", high]["ddim"]) / spread
    name = f"float over ndtc at {high} bits, distance in float's deviations"
    figures.append(of_networks(name, closer, "deviations"))
    figures += [
        of_networks(f"float, {name}", table, APART) for name, table in floats.items()
    ]
    for (arm, bits), tables in cells.items():
        for key, table in tables.items():
            unit = RELATIVE if key in ERRORS else APART
            figures.append(of_networks(f"{arm}, {bits} bits, {key}", table, unit))
    inputs = network.result["inputs"]
    figures += [
        exact(
            f"input of {name}, {word}", value, "", "quantiles of one network's inputs"
        )
        for name in sorted(inputs, key=by_layer_and_time)
        for word, value in zip(("0.1 %", "median", "99.9 %"), inputs[name], strict=True)
    ]
    return figures


def of_policy(bed: BedResults) -> list[Figure]:
    """Arms on the study's diffusion policy, errors of the noise predicted."""
    jobs, low = jobs_of(bed, "policy"), min(bed.parameters["bits"])
    figures = []
    for arm in dict.fromkeys(job.settings["arm"] for job in jobs):
        own = [job.result for job in jobs if job.settings["arm"] == arm]
        for key, words in ERRORS.items():
            errors = np.array([error[key] for error in own])  # (S,)
            name = f"dql, {arm}, {low} bits, {words}"
            figures.append(of_replicates(name, errors, RELATIVE))
    return figures


def by_layer_and_time(name: str) -> tuple[str, float]:
    """Key to sort inputs by; in the order of letters 19 comes before 9."""
    layer, time = name.split(" at t = ")
    return layer, float(time)


def of_scores(results: Results) -> list[Figure]:
    """Scores of float and W8A8 by every sampler of the study, and their difference."""
    study = results.params["study"]
    data, sampled = study["datasets"][0], study["sampled"]
    endings = [f"-{s}-{n}" for s in sampled["samplers"] for n in sampled["steps"]]
    figures = []
    for learner in study["policies"]:
        for ending in ["", *(endings if learner in sampled["policies"] else [])]:
            whole, small = (
                results.means(data, learner, f"{variant}{ending}")
                for variant in ("float32", "ptq4dm")
            )
            name = f"{learner}, ptq4dm{ending}"
            figures += [
                of_replicates(f"{learner}, float32{ending}", whole),
                of_replicates(name, small),
                of_replicates(f"{name} - float", small - whole),
            ]
    return figures
