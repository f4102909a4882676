"""Pictures made against the quantised network teach it more (Qian et al. 2023).

On a ResNet-8, by the accuracy of ONNX files on new pictures. The primary, at the fewest
bits: AdaDFQ minus GDFQ, which makes its pictures from the float network alone. Beside
it stand what both gain over quantising without training and lack of learning on real
data, how the gap shrinks at more bits, and the share of AdaDFQ's pictures between its
margins, in the mean of the epochs in which the quantised network learns. AdaDFQ at the
fewest bits is the study's, the other arms are the bed's. There is no gate yet, so the
bed is refused.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from tasks.artifacts.formats import Count, Least, Seed, Share, Size
from tasks.artifacts.typed_json import read_typed
from tasks.claims import Claim, ClaimParams, Figure, Outcome
from tasks.claims.cores.figures import exact, of_replicates
from tasks.claims.engine.results import Floats, JobResult, Results

UNIT = "% right"


class Row(TypedDict):
    """How one seed's training went in one epoch."""

    seed: Seed
    epoch: Count
    inside: Share


class Trained(TypedDict):
    """``compression.json`` of AdaDFQ."""

    course: list[Row]


class Setting(TypedDict):
    """Which arm a job is."""

    arm: str
    bits: Least


class Right(TypedDict):
    """Right answers in each episode."""

    right: list[Size]


class Job(TypedDict):
    """What came of an arm on one seed."""

    settings: Setting
    result: Right


class Widths(TypedDict):
    """Of the bed's parameters."""

    bits: tuple[Least, Least]


class Bed(TypedDict):
    """What the bed leaves."""

    parameters: Widths
    jobs: list[Job]


Tables = dict[tuple[str, int], Floats]  # % right of each seed and episode, by arm, bits


class AdaDFQ(Claim[ClaimParams]):
    """Accuracies of the arms, compared seed by seed and episode by episode."""

    def outcome(self, results: Results) -> Outcome:
        """Judge the bed's arms and the study's."""
        study, game = results.params["study"], results.params["compress"]["adadfq"]
        data, learner = study["datasets"][0], study["policies"][0]
        bed = results.bed("adadfq", Bed)
        few, more = bed.parameters["bits"]
        scale = 100 / results.world(data)["max_steps"]
        tables = right(bed.jobs, scale)
        tables["adadfq", few] = scale * results.returns(data, learner, "adadfq")
        tables["float32", 32] = scale * results.returns(data, learner)
        place = results.root / "compressed" / data / learner / "adadfq"
        course = read_typed(place / "compression.json", "dvc repro", Trained)["course"]
        sizes = {
            variant: min(
                path.stat().st_size
                for path in (results.root / "onnx" / data / learner / variant).glob(
                    "*.onnx"
                )
            )
            for variant in ("float32", "adadfq")
        }
        return Outcome(
            self.check(_gap(tables, "adadfq", "gdfq", few)),
            [],
            [
                *gaps(tables, inside(course, game["warm_up"]), (few, more)),
                *_table(tables),
                *(
                    exact(f"file of {variant}", size, "bytes", "counted in the file")
                    for variant, size in sizes.items()
                ),
            ],
        )


def _gap(tables: Tables, better: str, worse: str, bits: int) -> Figure:
    """Accuracy of one arm minus another's, seed by seed."""
    values = (tables[better, bits] - tables[worse, bits]).mean(axis=1)
    return of_replicates(f"{better} - {worse} at {bits} bits", values, UNIT)


def gaps(
    tables: Tables, share: dict[int, float], bits: tuple[int, int]
) -> list[Figure]:
    """Differences of the arms, and the share of pictures between the margins.

    Args:
        tables: (S, E) each.
        share: See :func:`inside`.
        bits: The few and the more.
    """
    few, more = bits
    by_bits = [tables["adadfq", b] - tables["gdfq", b] for b in bits]
    shrunk = f"gap of adadfq over gdfq, at {few} less at {more} bits"
    within = "share of pictures between the margins"
    return [
        _gap(tables, "adadfq", "minmax", few),
        _gap(tables, "gdfq", "minmax", few),
        _gap(tables, "real", "adadfq", few),
        _gap(tables, "real", "gdfq", few),
        of_replicates(shrunk, (by_bits[0] - by_bits[1]).mean(axis=1), UNIT),
        of_replicates(within, np.array(list(share.values())), "share"),
    ]


def right(jobs: Sequence[JobResult], scale: float) -> Tables:
    """Tables of the bed's arms.

    Args:
        jobs: Of the bed; seeds in the order of the table's rows.
        scale: From right answers of an episode to per cent.
    """
    rows: dict[tuple[str, int], list[list[float]]] = {}
    for job in jobs:
        arm = job.settings["arm"], job.settings["bits"]
        rows.setdefault(arm, []).append(job.result["right"])
    return {arm: scale * np.array(table) for arm, table in rows.items()}


def inside(course: Sequence[Row], warm_up: int) -> dict[int, float]:
    """Mean share of pictures between the margins once Q learns, by seed."""
    shares: dict[int, list[float]] = {}
    for row in course:
        if row["epoch"] >= warm_up:
            shares.setdefault(int(row["seed"]), []).append(row["inside"])
    return {seed: sum(values) / len(values) for seed, values in shares.items()}


def _table(tables: Tables) -> list[Figure]:
    """Accuracy of every arm, most bits first."""
    order = sorted(tables, key=lambda key: (-key[1], key[0]))
    return [
        of_replicates(f"{arm} at {bits} bits", tables[arm, bits].mean(axis=1), UNIT)
        for arm, bits in order
    ]
