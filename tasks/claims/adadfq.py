"""Pictures made against the quantised network teach it more (Qian et al. 2023).

Wanted on a ResNet-8, by the accuracy of ONNX files on new pictures: at 3 bits AdaDFQ is
better than GDFQ, which makes its pictures from the float network alone, both are far
above quantising without training, and below learning on real data; at 4 bits the gap
between both shrinks. And most of AdaDFQ's pictures lie between its margins, in the mean
of the epochs in which the quantised network learns. AdaDFQ at 3 bits is the study's,
the other arms are the bed's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypedDict

import numpy as np

from tasks.artifacts.formats import Count, Least, Seed, Share, Size
from tasks.artifacts.params import Range
from tasks.artifacts.typed_json import read_typed
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Floats, JobResult, Results, exact, worst

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


@dataclass(frozen=True)
class AdaDFQClaimParams(ClaimParams):
    """The claim's threshold.

    Units and ranges stand in params/claims/adadfq.yaml.
    """

    far: Annotated[float, Range(0, 100)]


class AdaDFQ(Claim[AdaDFQClaimParams]):
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
            self.checks(results, tables, inside(course, game["warm_up"]), (few, more)),
            [
                *_table(results, tables),
                exact("bytes of the file, float32", sizes["float32"], "bytes"),
                exact(f"bytes of the file, {few} bits", sizes["adadfq"], "bytes"),
            ],
        )

    def checks(
        self,
        results: Results,
        tables: Tables,
        share: dict[int, float],
        bits: tuple[int, int],
    ) -> list[Check]:
        """What must be seen; written before any full run.

        Args:
            results: For the intervals.
            tables: (S, E) each.
            share: See :func:`inside`.
            bits: The few, where AdaDFQ must win, and the more.
        """
        few, more = bits

        def gap(better: str, worse: str) -> Figure:
            name = f"{better} over {worse} at {few} bits"
            return results.gap(tables[better, few], tables[worse, few], name, UNIT)

        gaps = [tables["adadfq", b] - tables["gdfq", b] for b in (few, more)]
        shrunk = f"gap of adadfq over gdfq, at {few} less at {more} bits"
        within = "share of pictures between the margins, worst seed"
        return [
            Check(gap("adadfq", "gdfq")),
            Check(gap("adadfq", "minmax"), self.params.far),
            Check(gap("gdfq", "minmax"), self.params.far),
            Check(gap("real", "adadfq")),
            Check(gap("real", "gdfq")),
            Check(results.gap(gaps[0], gaps[1], shrunk, UNIT)),
            Check(worst(share, within, ""), 0.5),
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


def _table(results: Results, tables: Tables) -> list[Figure]:
    """Accuracy of every arm, most bits first."""
    order = sorted(tables, key=lambda key: (-key[1], key[0]))
    return [
        results.figure(f"{arm} at {bits} bits", tables[arm, bits], UNIT)
        for arm, bits in order
    ]
