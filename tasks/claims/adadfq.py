"""Pictures made against the quantised network teach it more (Qian et al. 2023).

Wanted on a ResNet-8, by the accuracy of ONNX files on new pictures: at 3 bits AdaDFQ is
better than GDFQ, which makes its pictures from the float network alone, both are far
above quantising without training, and below learning on real data; at 4 bits the gap
between both shrinks. And most of AdaDFQ's pictures lie between its margins, in the
mean of the epochs in which the quantised network learns.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.evaluation import Episodes
from tasks.artifacts.files import read_json
from tasks.artifacts.params import PARAMS, Range
from tasks.beds.adadfq.arms import Bed
from tasks.claims import Check, Claim, ClaimParams, Figure, Outcome
from tasks.claims.engine.results import Floats, Results, exact, worst

UNIT = "% right"
Tables = dict[tuple[str, int], Floats]


@dataclass(frozen=True)
class AdaDFQClaimParams(ClaimParams):
    """See params/claims/adadfq.yaml for units and ranges."""

    bits: Annotated[tuple[int, int], Range(2, 8)]
    far: Annotated[float, Range(0, 100)]


class AdaDFQ(Claim):
    """See the module."""

    Parameters = AdaDFQClaimParams
    params: AdaDFQClaimParams

    def outcome(self, results: Results) -> Outcome:
        """See :meth:`Claim.outcome`."""
        study, block = results.params["study"], results.params["compress"]["adadfq"]
        few, more = self.params.bits
        if (block["bits"], block["arm"]) != (few, "adadfq"):
            raise RefusedError(
                PARAMS,
                "compress.adadfq",
                f"{block['arm']} at {block['bits']} bits",
                f"adadfq at {few} bits, the first of claim.adadfq.bits",
                "change the study",
            )
        data, learner = study["datasets"][0], study["policies"][0]
        arms = ("minmax", "minmax_data", "gdfq", "real")
        wanted = [(arm, bits) for bits in (few, more) for arm in arms]
        wanted += [("no_margin", few), ("adadfq", more)]
        bed = Bed(results, data, learner)
        made = bed.run(wanted)
        shown = 100 / bed.world.params.max_steps

        def graph(variant: str) -> Floats:
            place = results.root / "evaluations" / data / learner / variant
            return shown * Episodes.read(place / "episodes.parquet").table()

        tables = {key: shown * one["right"] for key, one in made.items()}
        tables["adadfq", few] = graph("adadfq")
        tables["float32", 32] = graph("float32")
        place = results.root / "compressed" / data / learner / "adadfq"
        course = read_json(place / "compression.json", "dvc repro")["course"]
        share = inside(course, block["warm_up"])
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
            self._checks(results, tables, share),
            [
                *_table(results, tables),
                exact("bytes of the file, float32", sizes["float32"], "bytes"),
                exact(f"bytes of the file, {few} bits", sizes["adadfq"], "bytes"),
            ],
        )

    def _checks(
        self, results: Results, tables: Tables, share: dict[int, float]
    ) -> list[Check]:
        """What must be seen; written before any full run."""
        few, more = self.params.bits

        def gap(one: str, other: str, bits: int = few) -> Figure:
            name = f"{one} over {other} at {bits} bits"
            return results.gap(tables[one, bits], tables[other, bits], name, UNIT)

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


def inside(course: list[dict[str, Any]], warm_up: int) -> dict[int, float]:
    """Mean share of pictures between the margins once Q learns, by seed."""
    shares: dict[int, list[float]] = {}
    for row in course:
        if row["epoch"] >= warm_up:
            shares.setdefault(int(row["seed"]), []).append(row["inside"])
    return {seed: sum(found) / len(found) for seed, found in shares.items()}


def _table(results: Results, tables: Tables) -> list[Figure]:
    """Accuracy of every arm, most bits first."""
    order = sorted(tables, key=lambda key: (-key[1], key[0]))
    return [
        results.figure(f"{arm} at {bits} bits", tables[arm, bits], UNIT)
        for arm, bits in order
    ]
