"""States of the model's own chain calibrate it better than noise (Shang et al. 2023).

The primary is the logarithm of the error of the noise predicted near t = 0, calibrated
on noise minus by NDTC; a replicate is a network, over whose calibrations is averaged.
The number of bits is the control's choice: the fewest of the bed's at which NDTC's own
mean error there is below one half. The positive control is calibration on the clean end
alone, the negative one NDTC calibrated again.

Beside it, at every number of bits: the other calibrations, even times and ranges from
min to max among them, errors over all times, and samples' distances from data, by which
calibration on data is to be judged. And what the layers see at three times of the
chain. The paper's images and UNet are left out.
"""

from collections.abc import Sequence
from math import log
from typing import Annotated, TypedDict

import numpy as np

from tasks.artifacts.formats import Least, Number, Size
from tasks.artifacts.params import OneOf, Range
from tasks.claims import Claim, ClaimParams, Figure, Gate, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.cores.gates import competence, headroom, noise, within
from tasks.claims.engine.results import BedResults, Floats, JobResult, Results

MOST = 0.5  # error near t = 0 of NDTC, at the bits that are compared
NETWORKS = "networks"
LN = "ln of the relative error"
RATIO = "ln of the errors' ratio"
APART = "sliced distance to data"
Error = Annotated[float, Range(1e-30, 1e30)]  # its logarithm is taken
Cells = dict[tuple[str, int], dict[str, Floats]]  # tables (S, C) by arm and bits


class Kind(TypedDict):
    """What a job of the float networks is."""

    kind: Annotated[str, OneOf(("float",))]


class OfFloat(TypedDict):
    """Distances of the float networks, and what their layers see."""

    floats: dict[str, list[list[Size]]]
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
    result: dict[str, list[list[Error]]]


class Widths(TypedDict):
    """Of the bed's parameters."""

    bits: list[Least]


class Bed(TypedDict):
    """What the bed leaves."""

    parameters: Widths
    jobs: list[Float | Arm]


class PTQ4DM(Claim[ClaimParams]):
    """Errors by the states a network is calibrated on."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's arms."""
        bed = results.bed("ptq4dm", Bed)
        cells = cells_of(bed)
        bits = operating_point(cells, bed.parameters["bits"])
        primary = self.check(gap(cells, "noise", "ndtc", bits))
        others = [exact("bits compared", bits, "bits", "chosen by NDTC's own error")]
        for b in bed.parameters["bits"]:
            arms = [arm for arm, at in cells if at == b and arm != "ndtc"]
            others += [gap(cells, arm, "ndtc", b) for arm in arms]
            others.append(farther(cells, "data", "ndtc", b))
        gates = self.gates(cells, bits)
        return Outcome(primary, gates, [*others, *tables(cells), *of_float(bed)])

    def gates(self, cells: Cells, bits: int) -> list[Gate]:
        """What the bed must be able to do at the bits that are compared."""
        near, ndtc, plain = (
            np.log(cells[arm, bits]["near"]) for arm in ("clean", "ndtc", "noise")
        )
        again = ndtc[:, 1:].mean(1) - ndtc[:, 0]
        words = f"near t = 0, {bits} bits"
        nothing = f"error of predicting nothing over clean's, {words}"
        twice = f"ndtc, other calibrations over the first, {words}"
        own, theirs = (f"{arm}'s own error, {words}" for arm in ("ndtc", "noise"))
        return [
            competence(of_replicates(nothing, -near.mean(1), RATIO, NETWORKS)),
            headroom(gap(cells, "noise", "clean", bits)),
            within(of_replicates(own, ndtc.mean(1), LN, NETWORKS), high=log(MOST)),
            within(of_replicates(theirs, plain.mean(1), LN, NETWORKS), high=0),
            noise(of_replicates(twice, again, RATIO, NETWORKS), self.params.smallest),
        ]


def jobs_of(bed: BedResults, kind: str) -> list[JobResult]:
    """The bed's jobs of a kind."""
    return [job for job in bed.jobs if job.settings["kind"] == kind]


def cells_of(bed: BedResults) -> Cells:
    """Tables of every arm."""
    return {
        (job.settings["arm"], job.settings["bits"]): {
            name: np.array(table) for name, table in job.result.items()
        }
        for job in jobs_of(bed, "arm")
    }


def operating_point(cells: Cells, widths: Sequence[int]) -> int:
    """The fewest bits at which NDTC keeps its error near t = 0 low, or the most."""
    low = [b for b in widths if cells["ndtc", b]["near"].mean() < MOST]
    return min(low, default=max(widths))


def gap(cells: Cells, worse: str, better: str, bits: int) -> Figure:
    """How much larger one arm's error near t = 0 is, a network."""
    logs = [np.log(cells[arm, bits]["near"]).mean(1) for arm in (worse, better)]
    name = f"error near t = 0, {worse} over {better}, {bits} bits"
    return of_replicates(name, logs[0] - logs[1], RATIO, NETWORKS)


def farther(cells: Cells, worse: str, better: str, bits: int) -> Figure:
    """How much farther from data one arm's samples are, a network."""
    apart = [cells[arm, bits]["ddim"].mean(1) for arm in (worse, better)]
    name = f"distance of samples, {worse} over {better}, {bits} bits"
    return of_replicates(name, apart[0] - apart[1], APART, NETWORKS)


def tables(cells: Cells) -> list[Figure]:
    """Every arm's errors and distances."""
    figures = []
    for (arm, bits), measured in cells.items():
        for key, table in measured.items():
            errs = key in ("near", "mean")
            rows = (np.log(table) if errs else table).mean(1)
            name = f"{arm}, {bits} bits, {key}"
            figures.append(of_replicates(name, rows, LN if errs else APART, NETWORKS))
    return figures


def of_float(bed: BedResults) -> list[Figure]:
    """Distances of the float networks' samples, and what their layers see."""
    (network,) = jobs_of(bed, "float")
    floats = {n: np.array(table) for n, table in network.result["floats"].items()}
    figures = [
        of_replicates(f"float, {name}", table.mean(1), APART, NETWORKS)
        for name, table in floats.items()
    ]
    why = "0.1 to 99.9 % of one network's states"
    inputs = network.result["inputs"]
    figures += [
        Figure(f"input of {name}", middle, least, most, "median", exact=why)
        for name in sorted(inputs, key=by_layer_and_time)
        for least, middle, most in [inputs[name]]
    ]
    return figures


def by_layer_and_time(name: str) -> tuple[str, float]:
    """Key to sort inputs by; in the order of letters 19 comes before 9."""
    layer, time = name.split(" at t = ")
    return layer, float(time)
